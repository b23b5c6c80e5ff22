//! Which provider executed which node, from the runtime's own profile.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
struct Arguments {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    op_name: String,
    #[serde(default)]
    node_index: String,
}

/// Where the nodes of a graph were executed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// How many nodes each provider executed. A node that ran several times, in a loop, is one node; one that ran on two
    /// providers is on both.
    pub nodes: BTreeMap<String, u64>,
    /// The operators of those that another provider executed, and how many there are of each.
    pub elsewhere: BTreeMap<String, u64>,
}

impl Placed {
    /// Adds those of another graph.
    pub fn add(&mut self, other: Self) {
        self.joined(other, |count, more| count + more);
    }

    /// Keeps the larger number of each, of another session of the same graph.
    pub fn most(&mut self, other: Self) {
        self.joined(other, u64::max);
    }

    fn joined(&mut self, other: Self, join: impl Fn(u64, u64) -> u64) {
        let both = [
            (&mut self.nodes, other.nodes),
            (&mut self.elsewhere, other.elsewhere),
        ];
        for (counts, more) in both {
            for (name, count) in more {
                let kept = counts.entry(name).or_insert(0);
                *kept = join(*kept, count);
            }
        }
    }
}

/// Where the nodes were executed, with `meant` as the provider that is meant.
pub fn placed(profile: &[u8], meant: &str) -> serde_json::Result<Placed> {
    let events: Vec<Event> = serde_json::from_slice(profile)?;
    let executed: BTreeSet<_> = events
        .into_iter()
        .filter(|event| event.cat == "Node" && !event.args.provider.is_empty())
        .map(|event| {
            let Arguments {
                provider,
                op_name,
                node_index,
            } = event.args;
            (provider, event.name, op_name, node_index)
        })
        .collect();
    let mut placed = Placed::default();
    for (provider, _, operator, _) in executed {
        if provider != meant {
            *placed.elsewhere.entry(operator).or_insert(0) += 1;
        }
        *placed.nodes.entry(provider).or_insert(0) += 1;
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"[
        {"cat": "Session", "name": "model_loading_uri", "args": {}},
        {"cat": "Node", "name": "/a/MatMul_kernel_time", "args": {"op_name": "MatMul", "provider": "CPUExecutionProvider", "node_index": "0"}},
        {"cat": "Node", "name": "/a/MatMul_kernel_time", "args": {"op_name": "MatMul", "provider": "CPUExecutionProvider", "node_index": "0"}},
        {"cat": "Node", "name": "/b/Add_kernel_time", "args": {"op_name": "Add", "provider": "OtherExecutionProvider", "node_index": "1"}},
        {"cat": "Node", "name": "/b/Add_fence_before", "args": {"op_name": "Add"}}
    ]"#;

    #[test]
    fn each_node_counts_once_for_its_provider_and_one_elsewhere_is_named() {
        let placed = placed(PROFILE.as_bytes(), "CPUExecutionProvider").unwrap();
        let counts = |counts: &[(&str, u64)]| -> BTreeMap<String, u64> {
            (counts.iter())
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        assert_eq!(
            placed.nodes,
            counts(&[("CPUExecutionProvider", 1), ("OtherExecutionProvider", 1)])
        );
        assert_eq!(placed.elsewhere, counts(&[("Add", 1)]));
    }

    #[test]
    fn a_profile_that_was_cut_off_is_an_error() {
        assert!(placed(&PROFILE.as_bytes()[..90], "CPUExecutionProvider").is_err());
    }
}

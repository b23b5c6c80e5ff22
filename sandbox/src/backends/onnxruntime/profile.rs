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

/// Nodes per provider. A node that ran several times, in a loop, is one node; one that ran on two providers is on both.
pub fn nodes(profile: &[u8]) -> serde_json::Result<BTreeMap<String, u64>> {
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
    let mut counts = BTreeMap::new();
    for (provider, ..) in executed {
        *counts.entry(provider).or_insert(0) += 1;
    }
    Ok(counts)
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
    fn each_node_counts_once_for_its_provider() {
        assert_eq!(
            nodes(PROFILE.as_bytes()).unwrap(),
            BTreeMap::from([
                ("CPUExecutionProvider".to_owned(), 1),
                ("OtherExecutionProvider".to_owned(), 1)
            ])
        );
    }

    #[test]
    fn a_profile_that_was_cut_off_is_an_error() {
        assert!(nodes(&PROFILE.as_bytes()[..90]).is_err());
    }
}

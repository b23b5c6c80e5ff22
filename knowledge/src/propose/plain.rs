//! Two plainer small configurations for models whose numbers hang together in ways that no name tells.
//!
//! The library's defaults suit each other. [`lean`] keeps them all but the depth, the experts and the vocabulary; [`scaled`] divides
//! every size by one factor, which keeps their sums, products and ratios what they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    layers, lists,
    roles::{Role, role},
    sizes::{self, all_heads, assemble, main_width},
    tokens::TokenMap,
    tree::{Field, Node},
};

/// A head smaller than this has no room for a rotary embedding with several axes.
const LEAST_HEAD: u64 = 4;
const LEAST_WIDTH: u64 = 16;
/// More weights than this do not fit a job's memory three times: drawn, written and loaded again.
const MOST_WEIGHTS: u64 = 200_000_000;

/// Only depth, vocabulary, special ids and the number of experts are made smaller; `None` where that leaves too large a model.
pub fn lean(nodes: &[Node], tokens: &TokenMap) -> Option<Map<String, Value>> {
    let weights: u64 = nodes.iter().map(weights).sum();
    (weights <= MOST_WEIGHTS).then(|| assemble(nodes, |node| changed(node, shallow(node, tokens))))
}

/// As [`lean`], with every size of the tree divided by one factor; `None` where there is none that divides them.
pub fn scaled(nodes: &[Node], tokens: &TokenMap) -> Option<Map<String, Value>> {
    let factor = factor(nodes)?;
    let sizes: BTreeSet<u64> = nodes
        .iter()
        .flat_map(|node| &node.fields)
        .filter(|field| is_size(field))
        .filter_map(|field| field.default.as_u64())
        .filter(|size| *size >= LEAST_WIDTH * factor)
        .collect();
    Some(assemble(nodes, |node| {
        let mut found = shallow(node, tokens);
        for field in node.fields.iter().filter(|field| !field.computed) {
            let Some(value) = field.default.as_u64() else {
                continue;
            };
            // A number that is no size by its name but the same as one is most often that size under another name.
            let follows = role(&field.common) == Role::Other && sizes.contains(&value);
            if (is_size(field) || follows) && value >= factor && value % factor == 0 {
                found.insert(field.name.clone(), Value::from(value / factor));
            }
        }
        let mut channels = BTreeMap::new();
        lists::channels(node, factor, &mut channels);
        let divides = |value: &Value| !has_zero(value);
        found.extend(channels.into_iter().filter(|(_, value)| divides(value)));
        if let Some(head) = head_size(node) {
            sizes::rotary(node, head / factor, &mut found);
        }
        changed(node, found)
    }))
}

/// The depth of every stack with what is listed per layer, the experts, the vocabulary and the special ids: what no size
/// hangs together with.
fn shallow(node: &Node, tokens: &TokenMap) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for field in &node.fields {
        let role = match role(&field.common) {
            Role::Other => role(&field.name),
            role => role,
        };
        let value = match (role, field.default.as_u64()) {
            (Role::Token, _) => tokens.apply(&field.default),
            (Role::Vocabulary, Some(size)) => Value::from(size.min(sizes::VOCABULARY)),
            (Role::Depth, Some(depth)) if !field.computed => {
                Value::from(layers::depth(node, depth))
            }
            (Role::Other, Some(_)) => match layers::some(node, field) {
                Some(count) => Value::from(count),
                None => continue,
            },
            (role, Some(count)) if !field.computed => match sizes::experts(role, count) {
                Some(few) => Value::from(few),
                None => continue,
            },
            _ => continue,
        };
        found.insert(field.name.clone(), value);
    }
    layers::per_layer(node, &mut found);
    lists::channels(node, 1, &mut found);
    found
}

/// What differs from the defaults.
fn changed(node: &Node, mut found: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    found.retain(|name, value| node.field(name).is_none_or(|field| field.default != *value));
    found
}

/// The largest power of two that divides every width of the tree and leaves every head a size to work with.
fn factor(nodes: &[Node]) -> Option<u64> {
    let widths: Vec<u64> = nodes.iter().filter_map(main_width).collect();
    let heads: Vec<u64> = nodes.iter().filter_map(head_size).collect();
    let smallest = widths.iter().min()?;
    [64, 32, 16, 8, 4, 2].into_iter().find(|factor| {
        widths.iter().chain(&heads).all(|size| size % factor == 0)
            && smallest / factor >= LEAST_WIDTH
            && heads.iter().all(|size| size / factor >= LEAST_HEAD)
    })
}

fn head_size(node: &Node) -> Option<u64> {
    node.fields
        .iter()
        .filter(|field| matches!(role(&field.common), Role::HeadSize | Role::RotarySize))
        .filter_map(|field| field.default.as_u64())
        .min()
        .or_else(|| Some(main_width(node)? / all_heads(node)?.max(1)))
}

/// Widths of the coordinates and extents of a box, which are laid side by side to make a whole hidden state.
const PARTS: [&str; 2] = ["coordinate_size", "shape_size"];

fn is_size(field: &Field) -> bool {
    PARTS.contains(&field.name.as_str())
        || matches!(
            role(&field.common),
            Role::Width | Role::FeedForward | Role::HeadSize | Role::RotarySize | Role::Rank
        )
}

fn has_zero(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().any(|item| item.as_u64() == Some(0)))
}

/// About how many weights a configuration asks for when only its depth and vocabulary are small.
fn weights(node: &Node) -> u64 {
    let Some(width) = main_width(node) else {
        return 0;
    };
    let most = |wanted: Role| {
        node.fields
            .iter()
            .filter(|field| role(&field.common) == wanted)
            .filter_map(|field| field.default.as_u64())
            .max()
    };
    let depth: u64 = node
        .fields
        .iter()
        .filter(|field| role(&field.common) == Role::Depth)
        .filter_map(|field| field.default.as_u64())
        .map(|depth| layers::depth(node, depth))
        .sum();
    let feed_forward = most(Role::FeedForward).unwrap_or(4 * width);
    let experts = most(Role::Experts).unwrap_or(1).max(1);
    let layer = width
        .saturating_mul(width)
        .saturating_mul(4)
        .saturating_add(
            width
                .saturating_mul(feed_forward)
                .saturating_mul(3 * experts),
        );
    layer.saturating_mul(depth.max(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    #[test]
    fn a_lean_configuration_keeps_every_width() {
        let nodes = [node(
            "",
            &[
                ("hidden_size", json!(768)),
                ("num_hidden_layers", json!(12)),
                ("vocab_size", json!(30000)),
                ("pad_token_id", json!(29999)),
            ],
        )];
        let tokens = TokenMap::new(&nodes);
        let config = lean(&nodes, &tokens).unwrap();
        assert_eq!(config.get("hidden_size"), None);
        assert_eq!(config["num_hidden_layers"], json!(2));
        assert!(config["pad_token_id"].as_u64().unwrap() < 128);
    }

    #[test]
    fn a_lean_configuration_that_is_too_large_is_not_tried() {
        let nodes = [node(
            "",
            &[
                ("hidden_size", json!(8192)),
                ("intermediate_size", json!(16384)),
                ("num_local_experts", json!(64)),
                ("num_hidden_layers", json!(48)),
            ],
        )];
        assert!(lean(&nodes, &TokenMap::new(&nodes)).is_none());
    }

    #[test]
    fn one_factor_keeps_the_ratios_of_all_sizes() {
        let nodes = [node(
            "",
            &[
                ("hidden_size", json!(768)),
                ("intermediate_size", json!(3072)),
                ("num_attention_heads", json!(12)),
                ("unusual", json!(3072)),
                ("coordinate_size", json!(128)),
            ],
        )];
        let config = scaled(&nodes, &TokenMap::new(&nodes)).unwrap();
        assert_eq!(config["hidden_size"], json!(48));
        assert_eq!(config["intermediate_size"], json!(192));
        assert_eq!(config["unusual"], json!(192));
        assert_eq!(config["coordinate_size"], json!(8));
        assert_eq!(config.get("num_attention_heads"), None);
    }

    #[test]
    fn a_plain_configuration_has_few_experts() {
        let nodes = [node(
            "",
            &[
                ("hidden_size", json!(768)),
                ("n_routed_experts", json!(512)),
                ("moe_topk", json!(12)),
            ],
        )];
        let config = scaled(&nodes, &TokenMap::new(&nodes)).unwrap();
        assert_eq!(config["n_routed_experts"], json!(4));
        assert_eq!(config["moe_topk"], json!(2));
    }
}

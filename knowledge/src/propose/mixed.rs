//! Stacks that mix layers of attention with others.
//!
//! Where the defaults make a small stack of one kind alone, its model is not the one that the type is for, and its cache
//! has nothing that counts tokens: the small stack gets a layer of each kind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    roles::{Role, role},
    tree::Node,
};

const LINEAR: &str = "linear_attention";
/// The library's term for a layer of attention over all tokens.
const FULL: &str = "full_attention";

/// Gives a stack that would have no layer of attention one, and moves the layers that come periodically inside.
pub fn mix(node: &Node, found: &mut BTreeMap<String, Value>) {
    let stack = node
        .fields
        .iter()
        .find(|field| role(&field.common) == Role::Depth && field.default.is_u64());
    let Some(stack) = stack else { return };
    let depth = found.get(&stack.name).unwrap_or(&stack.default).as_u64();
    let Some(depth) = depth.filter(|depth| *depth > 1) else {
        return;
    };
    periods(node, depth, found);
    listed(node, depth, found);
    kinds(node, found);
}

/// Layers `i` with `i % period == offset`: the last of the small stack where the first of them lies beyond it.
fn periods(node: &Node, depth: u64, found: &mut BTreeMap<String, Value>) {
    for field in &node.fields {
        let Some(stem) = field.name.strip_suffix("layer_period") else {
            continue;
        };
        let offset = format!("{stem}layer_offset");
        if node.number(&offset).is_some_and(|offset| offset >= depth) {
            found.insert(field.name.clone(), Value::from(depth));
            found.insert(offset, Value::from(depth - 1));
        }
    }
}

/// Layers of attention that are listed by their places: the last where the defaults list none.
fn listed(node: &Node, depth: u64, found: &mut BTreeMap<String, Value>) {
    for field in &node.fields {
        let name = field.name.as_str();
        let of_attention = name.starts_with("attn_layer") || name.starts_with("attention_layer");
        let places = name.ends_with("_indices") || name.ends_with("_indexes");
        if of_attention && places && field.default.is_null() {
            found.insert(field.name.clone(), Value::from(vec![depth - 1]));
        }
    }
}

/// Layers whose kinds are listed one by one: the last attends to all tokens where the defaults know linear attention
/// only, and the configuration counts heads of attention all the same.
fn kinds(node: &Node, found: &mut BTreeMap<String, Value>) {
    if node.number("num_attention_heads").is_none() {
        return;
    }
    for field in &node.fields {
        let Some(Value::Array(items)) = found.get(&field.name) else {
            continue;
        };
        let default = field.default.as_array().into_iter().flatten();
        if items.len() > 1 && default.chain(items).all(|kind| *kind == LINEAR) {
            let mut items = items.clone();
            if let Some(last) = items.last_mut() {
                *last = Value::from(FULL);
            }
            found.insert(field.name.clone(), Value::Array(items));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    fn mixed(fields: &[(&str, Value)], small: &[(&str, Value)]) -> BTreeMap<String, Value> {
        let node = node("", fields);
        let mut found = small
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        mix(&node, &mut found);
        found
    }

    #[test]
    fn a_layer_that_comes_periodically_comes_in_the_small_stack() {
        let fields = [
            ("num_hidden_layers", json!(32)),
            ("attn_layer_period", json!(8)),
            ("attn_layer_offset", json!(4)),
            ("expert_layer_period", json!(2)),
            ("expert_layer_offset", json!(1)),
        ];
        let found = mixed(&fields, &[("num_hidden_layers", json!(2))]);
        assert_eq!(found["attn_layer_period"], 2);
        assert_eq!(found["attn_layer_offset"], 1);
        assert!(!found.contains_key("expert_layer_period"));
    }

    #[test]
    fn a_stack_that_lists_no_layer_of_attention_gets_one() {
        let fields = [
            ("num_hidden_layers", json!(32)),
            ("attn_layer_indices", Value::Null),
            ("out_indices", Value::Null),
        ];
        let found = mixed(&fields, &[("num_hidden_layers", json!(2))]);
        assert_eq!(found["attn_layer_indices"], json!([1]));
        assert!(!found.contains_key("out_indices"));
    }

    #[test]
    fn a_stack_of_linear_attention_with_heads_of_attention_has_both() {
        let kinds = |kind: &str, count| Value::from(vec![kind; count]);
        let small = [
            ("num_hidden_layers", json!(2)),
            ("layer_types", kinds("linear_attention", 2)),
        ];
        let depth = ("num_hidden_layers", json!(32));
        let types = ("layer_types", kinds("linear_attention", 32));
        let heads = ("num_attention_heads", json!(8));
        let both = json!(["linear_attention", "full_attention"]);
        let fields = [depth.clone(), types.clone(), heads];
        assert_eq!(mixed(&fields, &small)["layer_types"], both);
        // Without such heads there is no other kind.
        assert_eq!(mixed(&[depth, types], &small)["layer_types"], small[1].1);
    }
}

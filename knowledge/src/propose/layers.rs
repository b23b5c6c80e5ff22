//! Depth, and everything that is listed once per layer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    lists::stages,
    roles::{Role, role},
    tree::{Field, Node},
};

/// Layers of a stack whose layers are all alike: two show what passes from one to the next.
const DEPTH: usize = 2;
/// Deeper than any number of stages, sizes or channels that a list enumerates.
const DEEP: u64 = 16;
/// No small model needs more, however many kinds of layer it mixes.
const MOST: usize = 6;

/// The small depth for one depth field of a configuration.
pub fn depth(node: &Node, default: u64) -> u64 {
    chosen(node, default).len() as u64
}

/// A count of some of the layers, such as the dense ones before the experts or those that share their keys, which must
/// leave room for the others.
pub fn some(node: &Node, field: &Field) -> Option<u64> {
    let value = field.default.as_u64().filter(|value| *value > 0)?;
    let name = field.name.as_str();
    if !["layers", "_replace", "_index", "num_blocks"]
        .iter()
        .any(|part| name.contains(part))
    {
        return None;
    }
    let deepest = depths(node).into_iter().max()?;
    if name == "num_blocks" {
        // Blocks beside a stack of layers are some of its own, such as the last ones, which queries join.
        (value < deepest).then(|| (value * depth(node, deepest) / deepest).max(1))
    } else if name.contains("dense") {
        Some(value.min(1))
    } else if name.ends_with("_index") {
        // One layer that is named beside a list of layers moves with them.
        let listed = node.fields.iter().any(|field| is_layer_index(&field.name));
        (listed && value < deepest).then(|| value * depth(node, deepest) / deepest)
    } else if name.contains("shared") && value <= deepest {
        Some(value * depth(node, deepest) / deepest)
    } else {
        None
    }
}

fn depths(node: &Node) -> Vec<u64> {
    node.fields
        .iter()
        .filter(|field| role(&field.common) == Role::Depth)
        .filter_map(|field| field.default.as_u64())
        .collect()
}

/// Shortens every per-layer list to the layers that [`depth`] keeps, and moves layer indices inside.
pub fn per_layer(node: &Node, found: &mut BTreeMap<String, Value>) {
    let depths = depths(node);
    let Some(deepest) = depths.iter().copied().max() else {
        return;
    };
    for field in &node.fields {
        let Some(items) = field.default.as_array() else {
            continue;
        };
        if let Some(depth) = depths
            .iter()
            .find(|depth| is_per_layer(&field.name, items, **depth))
        {
            let kept = chosen(node, *depth).into_iter().map(|i| items[i].clone());
            found.insert(field.name.clone(), Value::Array(kept.collect()));
        } else if let Some(special) = special(field, deepest) {
            let kept = chosen(node, deepest);
            let moved = (0u64..).zip(kept).filter(|(_, layer)| special[*layer]);
            let moved: Vec<u64> = moved.map(|(place, _)| place).collect();
            found.insert(field.name.clone(), Value::from(moved));
        } else if is_tap(&field.name) && !items.is_empty() {
            if stages(node) == 1 && !field.computed {
                let small = taps(items, deepest, depth(node, deepest));
                found.insert(field.name.clone(), Value::from(small));
            }
        } else if is_layer_index(&field.name) && (!field.computed || field.name.contains("layer")) {
            let small = depth(node, deepest);
            let mut kept: Vec<u64> = Vec::new();
            for index in items.iter().filter_map(Value::as_u64) {
                let moved = (index * small / deepest.max(1)).min(small.saturating_sub(1));
                if !kept.contains(&moved) {
                    kept.push(moved);
                }
            }
            found.insert(field.name.clone(), Value::from(kept));
        }
    }
}

/// The layers whose states are handed on, inside the small stack: still as many, and as near to its end as before.
fn taps(items: &[Value], depth: u64, small: u64) -> Vec<u64> {
    let old: Vec<u64> = items.iter().filter_map(Value::as_u64).collect();
    let most = old.len() as u64 - u64::from(!old.is_empty());
    let last = old.iter().copied().max().unwrap_or(0);
    let mut end = small.saturating_sub(depth.saturating_sub(last)).max(most);
    if most == 0 && last > 0 {
        end = end.max(1);
    }
    (0..old.len() as u64)
        .map(|place| end - most + place)
        .collect()
}

/// As many layers as are handed on, where that is more than a stack needs otherwise.
fn least(node: &Node) -> usize {
    node.fields
        .iter()
        .filter(|field| is_tap(&field.name) && !field.computed)
        .filter_map(|field| field.default.as_array())
        .map(Vec::len)
        .max()
        .unwrap_or(0)
        .max(DEPTH)
}

/// Which layers of a stack a list of their places names as being of another kind, such as those that attend to another
/// part of the model. Nothing else is a growing list of places that all lie in the stack.
fn special(field: &Field, depth: u64) -> Option<Vec<bool>> {
    let named = field.name.ends_with("_layers") || field.name.ends_with("layer_ids");
    let places: Vec<u64> = field
        .default
        .as_array()
        .filter(|items| named && items.len() > 2)?
        .iter()
        .map(Value::as_u64)
        .collect::<Option<_>>()?;
    let grows = places.windows(2).all(|pair| pair[0] < pair[1]);
    let fits = places.last().is_some_and(|last| *last < depth);
    (grows && fits && (places.len() as u64) < depth)
        .then(|| (0..depth).map(|layer| places.contains(&layer)).collect())
}

/// The layers to keep: the first of each kind, and at least two.
fn chosen(node: &Node, depth: u64) -> Vec<usize> {
    let depth_items = usize::try_from(depth).unwrap_or(usize::MAX);
    let lists: Vec<&Vec<Value>> = node
        .fields
        .iter()
        .filter_map(|field| {
            let items = field.default.as_array()?;
            is_per_layer(&field.name, items, depth).then_some(items)
        })
        .collect();
    let places: Vec<Vec<bool>> = node
        .fields
        .iter()
        .filter_map(|field| special(field, depth))
        .collect();
    let mut kinds: Vec<(Vec<&Value>, Vec<bool>)> = Vec::new();
    let mut kept: Vec<usize> = Vec::new();
    if !lists.is_empty() || !places.is_empty() {
        for layer in 0..depth_items {
            let kind = (
                lists.iter().map(|list| &list[layer]).collect(),
                places.iter().map(|special| special[layer]).collect(),
            );
            if !kinds.contains(&kind) && kept.len() < MOST {
                kinds.push(kind);
                kept.push(layer);
            }
        }
    }
    let least = least(node);
    for layer in 0..depth_items.min(MOST) {
        if kept.len() >= least {
            break;
        }
        if !kept.contains(&layer) {
            kept.push(layer);
        }
    }
    kept.sort_unstable();
    kept
}

/// A list is per layer when it is as long as the stack is deep and holds kinds or flags, or is named after layers.
fn is_per_layer(name: &str, items: &[Value], depth: u64) -> bool {
    items.len() as u64 == depth
        && depth > 2
        && !is_layer_index(name)
        && (items
            .iter()
            .all(|item| item.is_string() || item.is_boolean())
            || name.contains("layer")
            // No list is as long as a deep stack by chance.
            || depth > DEEP)
}

/// Names of the layers whose states a backbone hands on.
fn is_tap(name: &str) -> bool {
    name.ends_with("out_indices")
}

fn is_layer_index(name: &str) -> bool {
    name.ends_with("_indexes") || name.ends_with("_indices")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    #[test]
    fn the_first_layer_of_each_kind_is_kept() {
        let node = node(
            "",
            &[
                ("num_hidden_layers", json!(6)),
                ("layer_types", json!(["a", "a", "a", "b", "a", "b"])),
                ("mlp_layer_types", json!(["x", "x", "y", "y", "y", "y"])),
            ],
        );
        let mut found = BTreeMap::new();
        per_layer(&node, &mut found);
        assert_eq!(found["layer_types"], json!(["a", "a", "b"]));
        assert_eq!(found["mlp_layer_types"], json!(["x", "y", "y"]));
        assert_eq!(depth(&node, 6), 3);
    }

    #[test]
    fn some_of_the_layers_leave_room_for_the_others() {
        let node = node(
            "",
            &[
                ("num_hidden_layers", json!(30)),
                ("num_kv_shared_layers", json!(15)),
                ("first_k_dense_replace", json!(3)),
            ],
        );
        assert_eq!(some(&node, &node.fields[1]), Some(1));
        assert_eq!(some(&node, &node.fields[2]), Some(1));
        assert_eq!(some(&node, &node.fields[0]), None);
    }

    #[test]
    fn blocks_beside_a_stack_of_layers_are_some_of_them() {
        let node = node(
            "",
            &[("num_hidden_layers", json!(24)), ("num_blocks", json!(4))],
        );
        assert_eq!(some(&node, &node.fields[1]), Some(1));
    }

    #[test]
    fn one_layer_named_beside_a_list_of_layers_moves_with_them() {
        let node = node(
            "",
            &[
                ("num_hidden_layers", json!(24)),
                ("state_indices", json!([5, 11, 17, 23])),
                ("merge_index", json!(2)),
                ("ignore_index", json!(255)),
            ],
        );
        assert_eq!(some(&node, &node.fields[2]), Some(0));
        assert_eq!(some(&node, &node.fields[3]), None);
    }

    #[test]
    fn layer_indices_stay_inside_the_small_stack() {
        let node = node(
            "",
            &[
                ("depth", json!(32)),
                ("fullatt_block_indexes", json!([7, 15, 23, 31])),
            ],
        );
        let mut found = BTreeMap::new();
        per_layer(&node, &mut found);
        assert_eq!(found["fullatt_block_indexes"], json!([0, 1]));
    }

    #[test]
    fn layers_of_another_kind_are_kept_beside_the_others() {
        let node = node(
            "",
            &[
                ("num_hidden_layers", json!(40)),
                ("cross_attention_layers", json!([3, 8, 13, 18])),
            ],
        );
        let mut found = BTreeMap::new();
        per_layer(&node, &mut found);
        assert_eq!(depth(&node, 40), 2);
        assert_eq!(found["cross_attention_layers"], json!([1]));
    }

    #[test]
    fn as_many_layers_are_handed_on_by_the_small_stack() {
        let node = node(
            "",
            &[
                ("num_hidden_layers", json!(12)),
                ("backbone_out_indices", json!([2, 5, 8, 11])),
            ],
        );
        let mut found = BTreeMap::new();
        per_layer(&node, &mut found);
        assert_eq!(depth(&node, 12), 4);
        assert_eq!(found["backbone_out_indices"], json!([0, 1, 2, 3]));
    }
}

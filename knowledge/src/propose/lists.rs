//! Lists with one number per stage: channel counts and depths of hierarchical models. Their lengths stay.

use std::collections::BTreeMap;

use serde_json::Value;

use super::tree::Node;

/// Lists of channel counts; the same number in two of them means the same tensor, so all are divided alike.
const CHANNELS: [&str; 17] = [
    "hidden_sizes",
    "channels",
    "embed_dims",
    "embed_dim",
    "layer_channels",
    "stage_channels",
    "stem_channels",
    "stage_in_channels",
    "stage_mid_channels",
    "stage_out_channels",
    "encoder_in_channels",
    "decoder_in_channels",
    "neck_hidden_sizes",
    "conv_dim",
    "dims",
    "channel_list",
    "embed_dim_per_stage",
];
const DEPTHS: [&str; 5] = [
    "depths",
    "num_block_repeats",
    "stage_num_blocks",
    "stage_numb_of_layers",
    "blocks_per_stage",
];

fn numbers(value: &Value) -> Option<Vec<u64>> {
    let items = value.as_array()?;
    (!items.is_empty()).then_some(())?;
    items.iter().map(Value::as_u64).collect()
}

pub fn is_channels(name: &str) -> bool {
    CHANNELS.iter().any(|known| name.ends_with(known))
}

/// Whether a list of this name holds the depth of each stage.
pub fn is_depths(name: &str) -> bool {
    DEPTHS.contains(&name)
}

/// The number of stages; 1 where the model has none.
pub fn stages(node: &Node) -> u64 {
    node.fields
        .iter()
        .filter(|field| DEPTHS.contains(&field.name.as_str()) || field.name == "hidden_sizes")
        .filter_map(|field| numbers(&field.default))
        .map(|list| list.len() as u64)
        .max()
        .unwrap_or(1)
}

/// The width of the first of several stages that double: eight channels a head.
pub fn first_stage_width(node: &Node) -> Option<u64> {
    let heads = node
        .field("num_attention_heads")
        .or(node.field("num_heads"))?;
    let first = numbers(&heads.default)?.first().copied()?;
    Some((first * 8).max(16))
}

/// The divisor of channel counts, the same for the whole tree: the largest of 8 and 4 that divides them all.
pub fn divisor(nodes: &[Node]) -> u64 {
    let all: Vec<u64> = nodes
        .iter()
        .flat_map(|node| &node.fields)
        .filter(|field| is_channels(&field.name))
        .filter_map(|field| numbers(&field.default))
        .flatten()
        .collect();
    // A backbone that is built by its name in another library keeps its channels, and so must what follows them.
    let named = |node: &Node| {
        ["backbone", "architecture"].iter().any(|name| {
            node.field(name)
                .is_some_and(|field| field.default.is_string())
        })
    };
    if nodes.iter().any(named) {
        return 1;
    }
    let largest = all.iter().copied().max().unwrap_or(0);
    let wanted: &[u64] = if largest >= 1024 { &[8, 4, 2] } else { &[4, 2] };
    if largest < 128 {
        return 1;
    }
    wanted
        .iter()
        .copied()
        .find(|divisor| all.iter().all(|value| value % divisor == 0))
        .unwrap_or(1)
}

/// Whether the code multiplies every channel count by a factor of the configuration and rounds it. Counts that stand in the
/// code are multiplied too, so none of them can be divided alone.
pub fn scales_channels(node: &Node) -> bool {
    node.field("width_coefficient").is_some()
}

/// Whether a width is the first of a list of channel counts, which says what it has to be.
pub fn leads_channels(node: &Node, width: u64) -> bool {
    node.fields
        .iter()
        .filter(|field| is_channels(&field.name))
        .filter_map(|field| numbers(&field.default))
        .any(|list| list.len() > 1 && list[0] == width)
}

/// Divides channel counts and cuts depths to one layer a stage, two in the first.
pub fn channels(node: &Node, divisor: u64, found: &mut BTreeMap<String, Value>) {
    let divisor = if scales_channels(node) { 1 } else { divisor };
    for field in node.fields.iter().filter(|field| !field.computed) {
        // A factor on the depths, which are small already.
        if field.name == "depth_coefficient" && field.default.is_number() {
            found.insert(field.name.clone(), Value::from(1.0));
        }
        let Some(list) = numbers(&field.default) else {
            continue;
        };
        if is_channels(&field.name) {
            let small: Vec<u64> = list.iter().map(|value| value / divisor).collect();
            found.insert(field.name.clone(), Value::from(small));
        } else if DEPTHS.contains(&field.name.as_str()) {
            let small: Vec<u64> = list
                .iter()
                .enumerate()
                .map(|(i, value)| (*value).min(if i == 0 { 2 } else { 1 }))
                .collect();
            found.insert(field.name.clone(), Value::from(small));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::Field;

    #[test]
    fn channels_that_the_code_multiplies_are_not_divided() {
        let field = |name: &str, default: Value| Field {
            name: name.into(),
            common: name.into(),
            default,
            computed: false,
            inherited: false,
        };
        let node = Node {
            path: String::new(),
            model_type: None,
            fields: vec![
                field("width_coefficient", json!(2.0)),
                field("depth_coefficient", json!(3.1)),
                field("in_channels", json!([32, 16, 192])),
                field("num_block_repeats", json!([1, 2, 4])),
            ],
        };
        let mut found = BTreeMap::new();
        channels(&node, 4, &mut found);
        assert_eq!(found["in_channels"], json!([32, 16, 192]));
        assert_eq!(found["num_block_repeats"], json!([1, 1, 1]));
        assert_eq!(found["depth_coefficient"], json!(1.0));
    }
}

//! Fields whose small values follow from the small image rather than from a role of their own.

use serde_json::{Map, Value, json};

use super::{
    super::tree::{Node, get, join, put},
    Small,
};

/// Tokens that an image becomes, where the configuration fixes their number: two a side of the small image's four.
const TOKENS_PER_IMAGE: u64 = 4;

/// Moves the layers whose states are features inside small stacks, whatever other sizes the configuration has.
pub fn layers(nodes: &[Node], config: &mut Map<String, Value>) {
    for node in nodes {
        for field in &node.fields {
            if let Some(layers) = feature_layers(&field.name, &field.default) {
                put(config, &join(&node.path, &field.name), layers);
            }
        }
    }
}

/// Makes the fields of an image's tokens and tiles agree with the small image.
pub fn tune(nodes: &[Node], config: &mut Map<String, Value>) {
    let default = |node: &Node| side(&node.field("image_size")?.default);
    layers(nodes, config);
    for node in nodes {
        for field in &node.fields {
            let path = join(&node.path, &field.name);
            if field.name.ends_with("tokens_per_image") && field.default.is_number() {
                put(config, &path, Value::from(TOKENS_PER_IMAGE));
            }
        }
    }
    let Some((vision, before)) = nodes
        .iter()
        .filter(|node| node.path.contains("vis"))
        .chain(nodes)
        .find_map(|node| Some((node, default(node)?)))
    else {
        return;
    };
    let size = join(&vision.path, "image_size");
    let mut after = get(config, &size).and_then(side).unwrap_or(before);
    let patch = get(config, &join(&vision.path, "patch_size"))
        .or(vision.field("patch_size").map(|field| &field.default))
        .and_then(side);
    let needed = patch.map_or(0, |patch| patch * 2 * shuffle(nodes));
    if after < needed && needed <= before && vision.number("image_size").is_some() {
        after = needed;
        put(config, &size, Value::from(after));
    }
    // What a picture is cut down to before it is seen is as large as what is seen, also where nothing says so.
    for field in &vision.fields {
        if field.name.contains("crop_size") && side(&field.default) == Some(before) {
            put(
                config,
                &join(&vision.path, &field.name),
                resized(&field.default, after),
            );
        }
    }
    let patches = patch.map(|patch| (after / patch) * (after / patch));
    for (node, field) in nodes
        .iter()
        .flat_map(|node| node.fields.iter().map(move |field| (node, field)))
    {
        if let (Some(patches), Some(counts)) = (patches, by_patches(&field.name, &field.default)) {
            let small = json!({ patches.to_string(): counts.min(TOKENS_PER_IMAGE) });
            put(config, &join(&node.path, &field.name), small);
        }
    }
    for node in nodes {
        for field in &node.fields {
            let Some(points) = pairs(&field.default) else {
                continue;
            };
            if let Some(tile) = tile(&field.name, &points, before) {
                let scaled = points.iter().map(|(tall, wide)| {
                    Value::from(vec![tall / tile * after, wide / tile * after])
                });
                put(
                    config,
                    &join(&node.path, &field.name),
                    Value::Array(scaled.collect()),
                );
            }
        }
    }
}

/// The side of the tiles that resolutions consist of: that of the default image, or where the default of another part does
/// not suit them the largest that they all have in common.
fn tile(name: &str, points: &[(u64, u64)], before: u64) -> Option<u64> {
    let fits = |side: u64| {
        let mut sides = points.iter().flat_map(|(tall, wide)| [tall, wide]);
        side > 1 && sides.all(|size| size.is_multiple_of(side))
    };
    if fits(before) {
        return Some(before);
    }
    let least = points.iter().map(|(tall, wide)| *tall.min(wide)).min()?;
    let named = name.ends_with("pinpoints");
    (named && fits(least)).then_some(least)
}

/// The resolutions that an image may be cut into tiles at, as height and width.
pub fn pinpoints(small: &Small) -> Vec<(u64, u64)> {
    ["image_grid_pinpoints", "vision_config.image_grid_pinpoints"]
        .iter()
        .find_map(|name| pairs(&small.value(name)?))
        .unwrap_or_default()
}

/// A list of the layers of another stack whose states are features, moved inside a stack of two layers.
fn feature_layers(name: &str, value: &Value) -> Option<Value> {
    let layers = value
        .as_array()
        .filter(|_| name.ends_with("feature_layers") || name.ends_with("feature_layer"))?;
    let moved = layers
        .iter()
        .map(|layer| {
            let layer = layer.as_i64()?;
            Some(Value::from(if layer < 0 {
                -1 - (-1 - layer) % 2
            } else {
                layer % 2
            }))
        })
        .collect::<Option<Vec<Value>>>()?;
    Some(Value::Array(moved))
}

/// How many patches a side become one feature; two features a side are the least that shows their order.
fn shuffle(nodes: &[Node]) -> u64 {
    [
        "pixel_shuffle_factor",
        "scale_factor",
        "spatial_merge_size",
        "downsample_factor",
    ]
    .iter()
    .flat_map(|name| nodes.iter().filter_map(|node| node.number(name)))
    .max()
    .unwrap_or(1)
}

/// The least count in a table from a number of patches to a count of tokens.
fn by_patches(name: &str, value: &Value) -> Option<u64> {
    let table = value.as_object().filter(|_| name.contains("patch"))?;
    table
        .iter()
        .map(|(patches, count)| {
            patches.parse::<u64>().ok()?;
            count.as_u64()
        })
        .collect::<Option<Vec<u64>>>()?
        .into_iter()
        .min()
}

fn side(value: &Value) -> Option<u64> {
    match value {
        Value::Array(items) => items.first()?.as_u64(),
        value => value.as_u64(),
    }
    .filter(|side| *side > 0)
}

/// The value with every side of it replaced.
fn resized(value: &Value, side: u64) -> Value {
    match value {
        Value::Array(items) => Value::from(vec![side; items.len()]),
        _ => Value::from(side),
    }
}

/// A list of pairs of sizes.
fn pairs(value: &Value) -> Option<Vec<(u64, u64)>> {
    let items = value.as_array()?;
    (!items.is_empty()).then_some(())?;
    items
        .iter()
        .map(|item| match item.as_array()?.as_slice() {
            [tall, wide] => Some((
                tall.as_u64().filter(|size| *size > 0)?,
                wide.as_u64().filter(|size| *size > 0)?,
            )),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feature_layers_stay_inside_a_small_stack() {
        let moved = feature_layers("vision_feature_layers", &json!([-2, -5, -8, -11, 6]));
        assert_eq!(moved, Some(json!([-2, -1, -2, -1, 0])));
    }

    #[test]
    fn a_crop_is_as_large_as_the_small_image() {
        let field = |name: &str, size: u64| crate::propose::Field {
            name: name.into(),
            common: name.into(),
            default: json!(size),
            computed: false,
            inherited: false,
        };
        let node = Node {
            path: "vision_config".into(),
            model_type: None,
            fields: vec![
                field("image_size", 448),
                field("crop_size", 448),
                field("patch_size", 14),
            ],
        };
        let mut config = Map::new();
        put(&mut config, "vision_config.image_size", json!(32));
        put(&mut config, "vision_config.patch_size", json!(8));
        tune(&[node], &mut config);
        assert_eq!(config["vision_config"]["crop_size"], 32);
    }

    #[test]
    fn resolutions_of_other_tiles_than_the_default_image_shrink_too() {
        let points = [(336, 672), (1008, 336)];
        assert_eq!(tile("image_grid_pinpoints", &points, 336), Some(336));
        assert_eq!(tile("image_grid_pinpoints", &points, 224), Some(336));
        assert_eq!(tile("any_sizes", &points, 224), None);
    }

    #[test]
    fn a_list_of_resolutions_is_read_and_other_lists_are_not() {
        assert_eq!(pairs(&json!([[2, 4], [4, 2]])), Some(vec![(2, 4), (4, 2)]));
        assert_eq!(pairs(&json!([2, 4])), None);
    }

    #[test]
    fn a_table_by_patches_gives_its_least_count() {
        assert_eq!(
            by_patches("patch_to_query", &json!({ "1225": 128, "4900": 256 })),
            Some(128)
        );
        assert_eq!(by_patches("patch_to_query", &json!({ "x": 128 })), None);
    }
}

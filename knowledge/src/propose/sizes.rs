//! The small size of every number in a configuration, such that the couplings between them hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    doubled, grouped, layers, lists, margins, mixed,
    roles::{Role, role},
    tokens::{RESERVED, TokenMap},
    tree::{Field, Node, join, put},
};

/// The hidden width of a small model: divisible by every head count and group count in use.
pub const WIDTH: u64 = 64;
/// A width that differs from the hidden one, so that a mix-up of two shows as an error.
pub const OTHER_WIDTH: u64 = 32;
const FEED_FORWARD: u64 = 128;
const EXPERT_FEED_FORWARD: u64 = 48;
const HEADS: u64 = 4;
const GROUPED_HEADS: u64 = 2;
/// The size of one head: `WIDTH / HEADS`, even in every rotary fraction that occurs.
pub const HEAD_SIZE: u64 = WIDTH / HEADS;
const ROTARY_SIZE: u64 = 8;
/// The field of the size of a head of the main attention.
const HEAD: &str = "head_dim";
/// The entry of a rotary table that says how a head is divided among several axes.
const SECTIONS: &str = "mrope_section";
pub const VOCABULARY: u64 = 128;
pub const POSITIONS: u64 = 64;
/// Fewer than an exporter takes long for: it writes each turn of the loop down.
const STEPS: u64 = 8;
const WINDOW: u64 = 4;
const EXPERTS: u64 = 4;
const RANK: u64 = 16;
const QUERIES: u64 = 12;
/// Steps of a forecast; more than the part of the past that decoders start from.
const FORECAST: u64 = 16;

/// What the whole tree shares.
struct Shared<'a> {
    tokens: &'a TokenMap,
    /// Widths that are the hidden width of some configuration; a field elsewhere that holds the same number must
    /// follow it.
    main_widths: BTreeSet<u64>,
    /// The divisor of lists of channel counts.
    channels: u64,
    /// Whether the code scales the channels of some part, which therefore stay as they are.
    scaled: bool,
    /// The side of the image before and after it shrinks.
    image: Option<(u64, u64)>,
}

/// Overrides for the whole tree: only what differs from the defaults, nested configurations as nested tables.
pub fn solve(nodes: &[Node], tokens: &TokenMap) -> Map<String, Value> {
    let shared = Shared {
        tokens,
        main_widths: nodes.iter().filter_map(main_width).collect(),
        channels: lists::divisor(nodes),
        scaled: nodes.iter().any(lists::scales_channels),
        image: image_scale(&nodes.iter().filter(|n| sees(n)).collect::<Vec<_>>())
            .or_else(|| image_scale(&nodes.iter().collect::<Vec<_>>())),
    };
    assemble(nodes, |node| solve_node(node, &shared))
}

/// The overrides of every configuration of the tree as one table.
pub fn assemble(
    nodes: &[Node],
    overrides: impl Fn(&Node) -> BTreeMap<String, Value>,
) -> Map<String, Value> {
    let mut config = Map::new();
    for node in nodes {
        let overrides = overrides(node);
        let nested = !node.path.is_empty();
        if nested && overrides.is_empty() {
            continue;
        }
        if nested {
            // A nested configuration is built anew from its table, so what its parent had set must be said again.
            if let Some(model_type) = &node.model_type {
                let path = join(&node.path, "model_type");
                put(&mut config, &path, Value::from(model_type.as_str()));
            }
            // TOML, the plan's form, has no word for nothing.
            let said = |field: &&Field| field.inherited && !field.default.is_null();
            for field in node.fields.iter().filter(said) {
                put(
                    &mut config,
                    &join(&node.path, &field.name),
                    field.default.clone(),
                );
            }
        }
        for (name, value) in overrides {
            put(&mut config, &join(&node.path, &name), value);
        }
    }
    config
}

fn solve_node(node: &Node, shared: &Shared) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let stages = lists::stages(node);
    for field in &node.fields {
        if let Some(value) = small(node, field, shared, stages) {
            found.insert(field.name.clone(), value);
        }
    }
    layers::per_layer(node, &mut found);
    mixed::mix(node, &mut found);
    lists::channels(node, shared.channels, &mut found);
    doubled::shrink(node, &mut found);
    grouped::shrink(node, &mut found);
    widths(node, shared, &mut found);
    levels(node, shared.image, &mut found);
    margins::shrink(node, shared.image, &mut found);
    rotary(node, head_size(node), &mut found);
    found.retain(|name, value| node.field(name).is_none_or(|field| field.default != *value));
    found
}

/// Sides of the feature maps that a backbone hands on, which shrink with the image.
fn levels(node: &Node, image: Option<(u64, u64)>, found: &mut BTreeMap<String, Value>) {
    let Some((before, after)) = image else {
        return;
    };
    for field in node
        .fields
        .iter()
        .filter(|field| field.name.ends_with("feature_sizes"))
    {
        let scaled: Option<Vec<Value>> = field.default.as_array().and_then(|levels| {
            levels
                .iter()
                .map(|level| {
                    let sides = level.as_array()?.iter().map(Value::as_u64);
                    let sides: Option<Vec<u64>> = sides.collect();
                    let small = sides?
                        .into_iter()
                        .map(|side| (side * after / before).max(1));
                    Some(Value::from(small.collect::<Vec<u64>>()))
                })
                .collect()
        });
        if let Some(scaled) = scaled {
            found.insert(field.name.clone(), Value::Array(scaled));
        }
    }
}

/// Whether a configuration is of the part that sees, rather than of one that is told where in an image to look.
pub fn sees(node: &Node) -> bool {
    node.path.contains("vis")
}

/// The side of the image before and after it shrinks, in patches where it is cut into such.
fn image_scale(nodes: &[&Node]) -> Option<(u64, u64)> {
    let first = |value: &Value| match value {
        Value::Array(items) => items.first()?.as_u64(),
        value => value.as_u64(),
    };
    let of = |node: &Node, wanted: Role| {
        node.fields
            .iter()
            .find(|field| role(&field.common) == wanted)
            .and_then(|field| first(&field.default))
    };
    let whole = nodes.iter().find_map(|node| {
        Some((
            of(node, Role::Image)?,
            image_size(node, lists::stages(node)),
        ))
    })?;
    let patch = nodes.iter().find_map(|node| of(node, Role::Patch));
    let (before, after) = match patch {
        Some(patch) => (whole.0 / patch.max(1), whole.1 / patch_size(patch).max(1)),
        None => whole,
    };
    (before > 0 && after > 0).then_some((before, after))
}

/// Lists that hold one hidden width several times, such as the channels that a decoder takes from each level.
fn widths(node: &Node, shared: &Shared, found: &mut BTreeMap<String, Value>) {
    for field in node.fields.iter().filter(|field| !field.computed) {
        let Some(items) = field.default.as_array().filter(|items| items.len() > 1) else {
            continue;
        };
        let width = items[0]
            .as_u64()
            .filter(|width| shared.main_widths.contains(width));
        if let Some(width) = width.filter(|_| items.iter().all(|item| *item == items[0])) {
            // A width that leads a list of channels is divided as they are, and so is every list of it.
            let one = if lists::leads_channels(node, width) {
                width / shared.divisor_of(node)
            } else {
                shared.width(width)
            };
            let small = vec![one; items.len()];
            found.insert(field.name.clone(), Value::from(small));
        }
    }
}

/// The hidden width of a configuration.
pub fn main_width(node: &Node) -> Option<u64> {
    ["hidden_size", "d_model", "n_embd", "dim", "embed_dim"]
        .into_iter()
        .find_map(|name| node.number(name))
}

fn small(node: &Node, field: &Field, shared: &Shared, stages: u64) -> Option<Value> {
    let role = match role(&field.common) {
        Role::Other if stages > 1 && field.name == "window_size" => Role::Window,
        Role::Other => role(&field.name),
        role => role,
    };
    if role == Role::Token {
        let value = shared.tokens.apply(&field.default);
        return (value != field.default).then_some(value);
    }
    // A default that is not what the class would compute was set by the parent, and stays unless it is set again.
    let nested = !node.path.is_empty();
    let set = nested && role == Role::KeyValueHeads && field.default.as_u64() != all_heads(node);
    if field.computed && !set {
        return None;
    }
    if let Some(size) = needed(field) {
        return Some(Value::from(size));
    }
    if role == Role::Image && field.default.is_array() {
        let size = image_size(node, stages);
        let sides = field.default.as_array()?;
        let first = sides.first().and_then(Value::as_u64);
        let small = sides.iter().map(|side| {
            // A side that is a whole part of the first one is made of it, such as one image of two on top of each other.
            let parts = first.zip(side.as_u64().filter(|side| *side > 0));
            match parts {
                Some((first, side)) if first % side == 0 => Value::from(size / (first / side)),
                _ => Value::from(size),
            }
        });
        return Some(Value::Array(small.collect()));
    }
    let value = field.default.as_u64()?;
    let width = main_width(node).map_or(WIDTH, |width| shared.width(width));
    let new = match role {
        Role::Vocabulary => value.min(VOCABULARY),
        // Its channels are multiplied and rounded in the code, constants among them, and so is this one.
        Role::Width if lists::scales_channels(node) => value,
        // Nor can a width in which such a part meets another, which is no hidden one.
        Role::Width if shared.scaled && !shared.main_widths.contains(&value) => value,
        Role::Width if stages > 1 && field.common.ends_with("embed_dim") => {
            lists::first_stage_width(node).unwrap_or(value)
        }
        Role::Width if lists::leads_channels(node, value) => value / shared.divisor_of(node),
        // What one part hands over to another has the hidden width of the other.
        Role::Width if field.name.starts_with("out_hidden") => value.min(WIDTH),
        Role::Width => shared.width(value),
        Role::Other if follows_a_width(&field.name) && shared.main_widths.contains(&value) => {
            shared.width(value)
        }
        Role::FeedForward if field.name.contains("moe") || field.name.contains("expert") => {
            value.min(EXPERT_FEED_FORWARD)
        }
        Role::FeedForward => value.min(FEED_FORWARD),
        Role::Heads => heads(value, width),
        Role::KeyValueHeads => key_value_heads(value, all_heads(node).unwrap_or(value), width),
        Role::HeadSize if is_rotary_part(node, field) => value.min(ROTARY_SIZE),
        Role::HeadSize if field.name == HEAD => value.min(head_size(node)),
        Role::HeadSize => value.min(HEAD_SIZE),
        Role::RotarySize => value.min(ROTARY_SIZE),
        Role::Depth => layers::depth(node, value),
        Role::Positions => value.min(POSITIONS),
        Role::Steps => value.min(STEPS),
        // Windows of a hierarchical model must tile its last stage, which is two patches a side.
        Role::Window if stages > 1 => value.min(2),
        Role::Window => value.min(WINDOW),
        Role::Experts | Role::ExpertsPerToken | Role::ExpertGroups | Role::ExpertGroupsPerToken => {
            experts(role, value).unwrap_or(value)
        }
        Role::Rank => value.min(RANK),
        Role::Image => image_size(node, stages),
        Role::Patch => patch_size(value),
        Role::Queries => value.min(QUERIES),
        Role::Token | Role::Other => layers::some(node, field).unwrap_or(value),
    };
    Some(Value::from(new))
}

/// A small count of experts, of their groups, or of those that a token is sent to; `None` for a role of another kind.
pub fn experts(role: Role, value: u64) -> Option<u64> {
    let most = match role {
        Role::Experts => EXPERTS,
        Role::ExpertsPerToken | Role::ExpertGroups => 2,
        Role::ExpertGroupsPerToken => 1,
        _ => return None,
    };
    Some(value.min(most))
}

/// Whether the size of a head is that of its rotary part alone, which the frequencies are then made for.
fn is_rotary_part(node: &Node, head: &Field) -> bool {
    head.name == HEAD
        && node
            .fields
            .iter()
            .any(|field| role(&field.common) == Role::RotarySize && field.default == head.default)
}

/// The size of a head: larger than usual where only a small part of it is rotated, which must have room for a section of
/// each axis, whether the table lists sections or the code has some of its own.
fn head_size(node: &Node) -> u64 {
    let settable = |field: &&Field| field.name == HEAD && !field.computed;
    let Some(most) = node
        .fields
        .iter()
        .find(settable)
        .and_then(|field| field.default.as_u64())
    else {
        return HEAD_SIZE;
    };
    let tables = node
        .fields
        .iter()
        .filter_map(|field| field.default.as_object());
    let mut size = HEAD_SIZE;
    for table in tables {
        while size < most && half_of_head(table, size) < ROTARY_SIZE / 2 {
            size *= 2;
        }
    }
    size
}

/// How many pairs of a head's numbers are rotated.
fn half_of_head(table: &Map<String, Value>, head_size: u64) -> u64 {
    let fraction = table.get("partial_rotary_factor").and_then(Value::as_f64);
    (head_size as f64 * fraction.unwrap_or(1.0) / 2.0) as u64
}

/// Names of channel counts that, where they hold the number of a hidden width, are that width; so do the groups of a
/// convolution that treats every channel by itself.
fn follows_a_width(name: &str) -> bool {
    [
        "_channels",
        "_out_channel",
        "_features",
        "_dim",
        "_width",
        "_planes",
        "_groups",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

impl Shared<'_> {
    /// By how much the channel counts of a configuration shrink; those that its class fills in itself do not.
    fn divisor_of(&self, node: &Node) -> u64 {
        let fixed = |field: &Field| field.computed && lists::is_channels(&field.name);
        if node.fields.iter().any(fixed) || lists::scales_channels(node) {
            1
        } else {
            self.channels
        }
    }

    fn width(&self, value: u64) -> u64 {
        if value <= WIDTH {
            value
        } else if self.main_widths.contains(&value) {
            WIDTH
        } else {
            OTHER_WIDTH
        }
    }
}

/// Sizes of a forecast, without which such a model cannot be made, or takes features that it has no room for.
fn needed(field: &Field) -> Option<u64> {
    match field.name.as_str() {
        "prediction_length" if field.default.is_null() => Some(FORECAST),
        "num_time_features" if field.default.as_u64() == Some(0) => Some(2),
        _ => None,
    }
}

/// The size that a field of this name has in a small model, for one that has no default.
pub fn usual(node: &Node, name: &str) -> Option<u64> {
    Some(match role(name) {
        Role::Vocabulary => VOCABULARY,
        Role::Heads => HEADS,
        Role::KeyValueHeads => heads(all_heads(node).unwrap_or(HEADS), WIDTH),
        Role::HeadSize => HEAD_SIZE,
        Role::FeedForward => FEED_FORWARD,
        Role::Experts => EXPERTS,
        Role::ExpertsPerToken => 2,
        Role::ExpertGroups | Role::ExpertGroupsPerToken => 1,
        Role::Token => RESERVED - 1,
        Role::Window => WINDOW,
        Role::Other if name == "prediction_length" => WINDOW,
        _ => return None,
    })
}

/// The default number of query heads beside a field of key/value heads.
pub fn all_heads(node: &Node) -> Option<u64> {
    [
        "num_attention_heads",
        "num_heads",
        "n_head",
        "encoder_attention_heads",
    ]
    .into_iter()
    .find_map(|name| node.number(name))
}

/// A head count for a width: at most [`HEADS`] and the default, and always a divisor of the width.
pub fn heads(default: u64, width: u64) -> u64 {
    let most = default.clamp(1, HEADS);
    (1..=most)
        .rev()
        .find(|heads| width.is_multiple_of(*heads))
        .unwrap_or(1)
}

/// A count of key/value heads that divides [`heads`], grouped where the default is.
pub fn key_value_heads(default: u64, default_heads: u64, width: u64) -> u64 {
    let all = heads(default_heads, width);
    if default >= default_heads {
        return all;
    }
    let most = default.clamp(1, GROUPED_HEADS);
    (1..=most)
        .rev()
        .find(|heads| all.is_multiple_of(*heads))
        .unwrap_or(1)
}

fn patch_size(default: u64) -> u64 {
    if default > 8 { 8 } else { default }
}

/// An image of four patches a side, or as many as halving from stage to stage needs.
pub fn image_size(node: &Node, stages: u64) -> u64 {
    let patch = node
        .fields
        .iter()
        .find(|field| role(&field.common) == Role::Patch)
        .and_then(|field| match &field.default {
            Value::Array(items) => items.last()?.as_u64(),
            value => value.as_u64(),
        })
        .map(patch_size);
    let default = node
        .fields
        .iter()
        .find(|field| role(&field.common) == Role::Image)
        .and_then(|field| match &field.default {
            Value::Array(items) => items.first()?.as_u64(),
            value => value.as_u64(),
        });
    let size = match patch {
        // Windows tile the patches evenly.
        Some(patch) => {
            let windows = node.number("num_windows").unwrap_or(1).min(16);
            patch * (1 << stages.min(5)).max(4).max(windows)
        }
        None => 64,
    };
    // What halves the image down to one place a stride leaves nothing to look around in.
    let stride = node.number("output_stride").unwrap_or(0);
    let size = size.max(2 * stride);
    default.map_or(size, |default| default.min(size))
}

/// Sections of a multi-axis rotary embedding, scaled so that they still fill half of a head.
pub fn rotary(node: &Node, head_size: u64, found: &mut BTreeMap<String, Value>) {
    for field in &node.fields {
        let Some(table) = field.default.as_object() else {
            continue;
        };
        let Some(sections) = table.get(SECTIONS).and_then(Value::as_array) else {
            continue;
        };
        let sections: Vec<u64> = sections.iter().filter_map(Value::as_u64).collect();
        let half = half_of_head(table, head_size);
        let mut table = table.clone();
        table.insert(SECTIONS.into(), Value::from(portions(&sections, half)));
        found.insert(field.name.clone(), Value::Object(table));
    }
}

/// Splits `total` in the proportions of `parts`, at least 1 each where it reaches, the remainder to the last.
pub fn portions(parts: &[u64], total: u64) -> Vec<u64> {
    let sum: u64 = parts.iter().sum::<u64>().max(1);
    let mut out: Vec<u64> = parts
        .iter()
        .map(|part| (part * total / sum).max(1))
        .collect();
    while out.iter().sum::<u64>() > total {
        match out.iter_mut().max() {
            Some(largest) if *largest > 0 => *largest -= 1,
            _ => break,
        }
    }
    let missing = total.saturating_sub(out.iter().sum());
    if let Some(last) = out.last_mut() {
        *last += missing;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn heads_always_divide_the_width_and_groups_the_heads(
            heads_before in 1u64..200, kv in 1u64..200, width in 1u64..5000,
        ) {
            let count = heads(heads_before, width);
            proptest::prop_assert_eq!(width % count, 0);
            let grouped = key_value_heads(kv.min(heads_before), heads_before, width);
            proptest::prop_assert_eq!(count % grouped, 0);
        }

        #[test]
        fn rotary_sections_fill_their_half_head(parts in proptest::collection::vec(1u64..64, 1..4), total in 4u64..64) {
            let out = portions(&parts, total);
            proptest::prop_assert_eq!(out.iter().sum::<u64>(), total);
            proptest::prop_assert_eq!(out.len(), parts.len());
        }
    }

    #[test]
    fn one_shared_key_value_head_stays_one() {
        assert_eq!(key_value_heads(1, 16, 64), 1);
        assert_eq!(key_value_heads(8, 32, 64), 2);
        assert_eq!(key_value_heads(32, 32, 64), 4);
    }
}

#[cfg(test)]
#[path = "sizes_tests.rs"]
mod solved_tests;

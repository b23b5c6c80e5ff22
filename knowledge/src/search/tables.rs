//! Tables and lists that have no default and that the code reads all the same: `*config.block["reduce"]`, or a factor for
//! each map of a backbone. What is in them stands in the code alone.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Map, Value, json};

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{get, is_channels, join, nodes};

/// Channels of a small layer.
const CHANNELS: u64 = 16;

pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let error = finding.error.as_ref()?;
    let code = text::code(finding);
    // The innermost line alone: those around it read other tables, which are there.
    let line = code.lines().next().unwrap_or_default();
    let found = match error.exception.as_str() {
        "TypeError" if error.message.contains("NoneType") => {
            let channels = || channels(card, plan, line);
            let factors = || factors(card, plan, &code, &error.message);
            entry(card, plan, line).or_else(channels).or_else(factors)
        }
        "KeyError" => entry(card, plan, line),
        _ => None,
    };
    let (path, value, reason) = found?;
    let mut next = plan.clone();
    put_named(card, &mut next.config, &path, value);
    let key = format!("config.{path}");
    (next != *plan).then(|| Candidate::setting(next, &key, searched(STATED, finding, reason)))
}

/// The fields without a default, with what the plan has given them.
fn unset(card: &InterfaceCard, plan: &PortPlan) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for node in nodes(card) {
        for field in node.fields.iter().filter(|field| field.default.is_null()) {
            let path = join(&node.path, &field.name);
            let set = get(&plan.config, &path).cloned().unwrap_or(Value::Null);
            found.push((path, field.name.clone(), set));
        }
    }
    found
}

/// The table that the line reads by a key, with an entry for that key.
fn entry(card: &InterfaceCard, plan: &PortPlan, line: &str) -> Option<(String, Value, String)> {
    unset(card, plan).into_iter().find_map(|(path, name, set)| {
        let (before, key, after) = read_by_key(line, &name)?;
        let mut table = match set {
            Value::Null => Map::new(),
            Value::Object(table) => table,
            _ => return None,
        };
        // What is unpacked into a convolution, or taken apart, is its kernel, its stride and its padding: of one place, and
        // so of any number of channels and any size.
        let several = before.ends_with('*') || after.starts_with('[');
        let value = if several { json!([1, 1, 0]) } else { json!(1) };
        table.insert(key.to_owned(), value);
        let reason = format!("the code reads `{key}` of the table `{name}`");
        Some((path, Value::Object(table), reason))
    })
}

/// What stands before `name["key"]`, the key, and what stands behind it.
fn read_by_key<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (at, _) = line
        .match_indices(name)
        .find(|(at, _)| line[at + name.len()..].starts_with("[\""))?;
    let (key, after) = line[at + name.len() + 2..].split_once("\"]")?;
    let before = line[..at]
        .trim_end_matches("config.")
        .trim_end_matches("self.");
    Some((before, key, after))
}

/// Channels of one layer after the other, of which the line takes some: as many layers as show what one hands to the next.
fn channels(card: &InterfaceCard, plan: &PortPlan, line: &str) -> Option<(String, Value, String)> {
    unset(card, plan).into_iter().find_map(|(path, name, set)| {
        let taken = line.contains(&format!("{name}[")) && text::names(line, &name);
        let reason = format!("`{name}` lists the channels of one layer after the other");
        let listed = taken && set.is_null() && is_channels(&name);
        listed.then(|| (path, json!([CHANNELS, CHANNELS]), reason))
    })
}

/// A list of factors by which maps are enlarged to the size of the first: each stage of a backbone halves what it is given.
fn factors(
    card: &InterfaceCard,
    plan: &PortPlan,
    code: &str,
    said: &str,
) -> Option<(String, Value, String)> {
    if !said.contains("not iterable") {
        return None;
    }
    unset(card, plan).into_iter().find_map(|(path, name, set)| {
        let scales = name.contains("scale") && text::names(code, &name) && set.is_null();
        let reason = format!("`{name}` enlarges maps of which each is half as large as the last");
        scales.then(|| (path, json!([1, 2, 4, 8]), reason))
    })
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature, Stage,
        job::{Frame, JobError},
    };

    use super::*;
    use crate::search::fixtures;

    fn tried(config: &str, exception: &str, message: &str, code: &str) -> Option<Value> {
        let source = json!({"file": "any.py", "line": 1});
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_fields": [
                {"name": "block_config", "default": null, "source": source},
                {"name": "scale_list", "default": null, "source": source},
                {"name": "up_out_channels", "default": null, "source": source},
                {"name": "out_channels", "default": null, "source": source},
            ],
            "modalities": ["image"]
        }));
        let plan = PortPlan::from_toml(&format!(
            r#"
schema = 2
model_type = "any"
family = "vision"
library_version = "5.20.2"
class = "AnyModel"
module = "any"
config_class = "AnyConfig"
task = "base"
backends = ["torch-cpu"]
weights = {{ seed = 0, gain = 1.0 }}

[config]
{config}

[dims]
batch = {{ example = 2, other = 3 }}

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3, 32, 32]
modality = "image"
values = {{ kind = "normal", mean = 0.0, std = 1.0 }}
"#
        ))
        .unwrap();
        let finding = Finding {
            stage: Stage::Instantiate,
            backend: None,
            signature: Signature::phrase("x"),
            message: message.into(),
            error: Some(JobError {
                exception: exception.into(),
                message: message.into(),
                frames: vec![Frame {
                    file: "modeling.py".into(),
                    line: 1,
                    function: "__init__".into(),
                    code: code.into(),
                    ..portwright_core::job::Frame::default()
                }],
                ..JobError::default()
            }),
            hint: None,
        };
        let found = candidates(&card, &plan, &finding)?;
        Some(Value::Object(found.plan.config))
    }

    #[test]
    fn a_table_gets_the_keys_that_the_code_reads_one_after_the_other() {
        let none = "'NoneType' object is not subscriptable";
        let first = tried(
            "",
            "TypeError",
            none,
            "nn.Conv2d(a, b, *block_config[\"reduce\"])",
        );
        assert_eq!(
            first.unwrap(),
            json!({"block_config": {"reduce": [1, 1, 0]}})
        );
        let second = tried(
            "block_config = { reduce = [1, 1, 0] }",
            "KeyError",
            "'back'",
            "kernel_size=block_config[\"back\"][0],",
        );
        assert_eq!(
            second.unwrap(),
            json!({"block_config": {"reduce": [1, 1, 0], "back": [1, 1, 0]}})
        );
        assert!(tried("", "TypeError", none, "other[\"reduce\"]").is_none());
    }

    #[test]
    fn a_list_of_channels_that_the_code_takes_a_part_of_has_two_layers() {
        let found = tried(
            "",
            "TypeError",
            "'NoneType' object is not subscriptable",
            "before = [width] + config.up_out_channels[:-1]",
        );
        assert_eq!(found.unwrap(), json!({"up_out_channels": [16, 16]}));
    }

    #[test]
    fn a_list_of_factors_enlarges_each_map_to_the_first() {
        let found = tried(
            "",
            "TypeError",
            "'NoneType' object is not iterable",
            "for map, scale in zip(maps, self.scale_list):",
        );
        assert_eq!(found.unwrap(), json!({"scale_list": [1, 2, 4, 8]}));
    }
}

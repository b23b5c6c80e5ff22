//! What an error states outright: a value that a field must have, an attribute or a key that a configuration lacks.
//!
//! Such a change is surer than any guess, so the search goes on from it first.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Map, Value};

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::{
    HEAD_SIZE, Role, WIDTH, get, is_channels, join, nodes, portions, put, role, usual,
};

/// The name under which these changes are recorded.
pub const STATED: &str = "stated";

pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let mut found = Vec::new();
    for (name, value) in must_be(&said).into_iter().chain(requires(&said)) {
        found.extend(set_everywhere(card, plan, finding, &name, &value));
    }
    if let Some((class, name)) = lacks(&said) {
        found.extend(missing(card, plan, finding, class, name));
    }
    found.extend(defaults(card, plan, finding, &said));
    if let Some(name) = unset(&said) {
        found.extend(without_value(card, plan, finding, name));
        let class = card.config_class.name.clone();
        found.extend(missing(card, plan, finding, &class, name));
    }
    if let Some(key) = absent_key(finding) {
        found.extend(per_kind(card, plan, finding, key));
    }
    found.extend(channels(card, plan, finding, &said));
    found.extend(empty_lists(card, plan, finding, &said));
    if let Some((name, sizes, total)) = split(finding, &said) {
        found.extend(sections(card, plan, finding, &name, &sizes, total));
    }
    if let Some(name) = no_sections(finding, &said) {
        let half = head_size(card, plan) / 2;
        found.extend(sections(card, plan, finding, &name, &[1, 1, 1], half));
    }
    found
}

/// The channels that a layer was made for, listed by the configuration, and those that it was given: another part of the
/// model makes them, so the list has to follow. Where several lists hold the number, each may be the one that is meant.
fn channels(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    said: &str,
) -> Vec<Candidate> {
    let Some((_, after)) = said.split_once(" to have ") else {
        return Vec::new();
    };
    let [made, given, ..] = text::numbers(after)[..] else {
        return Vec::new();
    };
    if !after.contains("channels, but got") {
        return Vec::new();
    }
    let mut lists = Vec::new();
    for node in nodes(card) {
        let listed = node.fields.iter().filter(|f| is_channels(&f.name));
        for field in listed {
            let path = join(&node.path, &field.name);
            let list = get(&plan.config, &path).unwrap_or(&field.default);
            let Some(items) = list.as_array() else {
                continue;
            };
            if let Some(place) = items.iter().position(|item| item.as_u64() == Some(made)) {
                let mut items = items.clone();
                items[place] = Value::from(given);
                lists.push((path, Value::Array(items)));
            }
        }
    }
    let mut groups: Vec<&[(String, Value)]> = lists.chunks(1).collect();
    if lists.len() > 1 {
        groups.push(&lists);
    }
    groups
        .into_iter()
        .map(|group| {
            let mut next = plan.clone();
            for (path, list) in group {
                put_named(card, &mut next.config, path, list.clone());
            }
            let reason = format!("a list of channels says {made} where {given} come");
            let names: Vec<&str> = group.iter().map(|(path, _)| path.as_str()).collect();
            let key = format!("config.{}", names.join(","));
            Candidate::setting(next, &key, searched(STATED, finding, reason))
        })
        .collect()
}

/// Lists that are empty by default and whose loop therefore gives nothing: one entry that changes nothing.
fn empty_lists(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    said: &str,
) -> Vec<Candidate> {
    if !said.contains("expected a non-empty list") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for node in nodes(card) {
        for field in &node.fields {
            let path = join(&node.path, &field.name);
            let list = get(&plan.config, &path).unwrap_or(&field.default);
            let empty = list.as_array().is_some_and(Vec::is_empty);
            if let Some(one) = neutral(&field.name).filter(|_| empty) {
                let mut next = plan.clone();
                put_named(card, &mut next.config, &path, Value::Array(vec![one]));
                let reason = format!("the list `{}` is empty", field.name);
                let provenance = searched(STATED, finding, reason);
                found.push(Candidate::setting(
                    next,
                    &format!("config.{path}"),
                    provenance,
                ));
            }
        }
    }
    found
}

/// A split whose sizes do not fill its axis, with the attribute that holds them.
fn split(finding: &Finding, said: &str) -> Option<(String, Vec<u64>, u64)> {
    let (before, after) = said.split_once("split_sizes=[")?;
    let sizes = text::numbers(after.split(']').next()?);
    let total = text::numbers(before.split_once("sum exactly to ")?.1)
        .first()
        .copied()?;
    let code = text::code(finding);
    let name: String = code
        .split_once("split(self.")?
        .1
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (sizes.len() > 1 && !name.is_empty()).then_some((name, sizes, total))
}

/// Sections that the code asks for and that are `None`.
fn no_sections(finding: &Finding, said: &str) -> Option<String> {
    // The sections are also the only thing that gives such an embedding its axes.
    if said.contains("RoPE axes") {
        return Some("mrope_section".to_owned());
    }
    if !said.contains("NoneType") {
        return None;
    }
    let code = text::code(finding);
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words
        .find(|word| word.ends_with("_section") || word.ends_with("_sections"))
        .map(str::to_owned)
}

/// The size of a head in the plan, of the first configuration that says it.
fn head_size(card: &InterfaceCard, plan: &PortPlan) -> u64 {
    let set = holders(card, "head_dim")
        .into_iter()
        .find_map(|(path, value)| {
            get(&plan.config, &path)
                .and_then(Value::as_u64)
                .or_else(|| value.as_u64())
        });
    set.unwrap_or(HEAD_SIZE)
}

/// Sections of a rotary embedding that the model takes from its own default get sizes that fill the small head.
fn sections(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    name: &str,
    sizes: &[u64],
    total: u64,
) -> Option<Candidate> {
    let mut next = plan.clone();
    for node in nodes(card) {
        for field in &node.fields {
            let Some(table) = field
                .default
                .as_object()
                .filter(|t| t.contains_key("rope_type"))
            else {
                continue;
            };
            let mut table = table.clone();
            table.insert(name.to_owned(), Value::from(portions(sizes, total)));
            let path = join(&node.path, &field.name);
            put_named(card, &mut next.config, &path, Value::Object(table));
        }
    }
    let reason = format!("the sections of `{name}` have to fill {total}");
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// `name must be value`, as often as the text says it.
fn must_be(said: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (at, words) in said
        .match_indices(" must be ")
        .chain(said.match_indices(" should be "))
        .chain(said.match_indices(" must equal "))
    {
        let before = said[..at].trim_end_matches(['`', '\'', '"']);
        let name: String = before
            .chars()
            .rev()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let after = said[at + words.len()..].trim_start_matches("set to ");
        let after = after.trim_start_matches("equal to ");
        let value: String = after
            .trim_start_matches(['`', '\'', '"'])
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
            .collect();
        let value = match value.as_str() {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "" => continue,
            other => match other.parse::<i64>() {
                Ok(number) => Value::from(number),
                // A word is a value only where it is written as one.
                Err(_) if after.starts_with(['`', '\'', '"']) => Value::from(other),
                Err(_) => continue,
            },
        };
        if !name.is_empty() {
            found.push((name, value));
        }
    }
    found
}

/// `requires name=value`, which says as much as `name must be value`.
fn requires(said: &str) -> Option<(String, Value)> {
    let (_, after) = said.split_once("requires ")?;
    let clause = after.split_whitespace().find(|word| word.contains('='))?;
    let clause = clause.trim_matches(['`', '\'', '"', '.', ',', '(', ')']);
    let (name, value) = clause.split_once('=')?;
    let value = value.trim_start_matches('=').parse::<i64>().ok()?;
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (plain && !name.is_empty()).then(|| (name.to_owned(), Value::from(value)))
}

fn set_everywhere(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    name: &str,
    value: &Value,
) -> Option<Candidate> {
    let mut next = plan.clone();
    for (path, _) in holders(card, name) {
        put_named(card, &mut next.config, &path, value.clone());
    }
    let reason = format!("the error says that `{name}` must be {value}");
    (next != *plan).then(|| {
        Candidate::setting(
            next,
            &format!("config.{name}"),
            searched(STATED, finding, reason),
        )
    })
}

/// `'Class' object has no attribute 'name'`.
fn lacks(said: &str) -> Option<(&str, &str)> {
    let (before, after) = said.split_once("' object has no attribute '")?;
    let class = before.rsplit('\'').next()?;
    let name = after.split('\'').next()?;
    Some((class, name))
}

/// A default that the error misses, such as a default language, is the first of the list that it is chosen from.
fn defaults(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    said: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    for node in nodes(card) {
        for field in node.fields.iter().filter(|f| f.default.is_null()) {
            let Some(what) = field.name.strip_prefix("default_") else {
                continue;
            };
            let first = node
                .fields
                .iter()
                .find(|list| list.name.trim_end_matches('s') == what)
                .and_then(|list| list.default.as_array()?.first().cloned());
            if let Some(first) = first.filter(|_| said.contains(&field.name)) {
                put_named(
                    card,
                    &mut next.config,
                    &join(&node.path, &field.name),
                    first,
                );
            }
        }
    }
    let reason = "the error misses a default";
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// The name that the library's helpers say a configuration does not have, or not set.
fn unset(said: &str) -> Option<&str> {
    let (_, after) = said.split_once("Could not find a `")?;
    let (name, rest) = after.split_once('`')?;
    rest.contains("config").then_some(name)
}

/// Gives a value to every field of this name that has none: a helper that is handed a nested configuration does not say
/// which one it was.
fn without_value(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    name: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let empty = holders(card, name)
        .into_iter()
        .filter(|(path, value)| get(&plan.config, path).unwrap_or(value).is_null());
    let value = usual(card, name)?;
    for (path, _) in empty {
        put_named(card, &mut next.config, &path, value.clone());
    }
    let reason = format!("`{name}` has no value, which the model reads");
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, &format!("config.{name}"), provenance))
}

/// Gives a configuration the attribute that it lacks: with the value that another configuration of the tree has for it,
/// or the usual one.
fn missing(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    class: &str,
    name: &str,
) -> Option<Candidate> {
    let path = if card.config_class.name == class {
        name.to_owned()
    } else {
        let (path, _) = card.sub_configs.iter().find(|(_, c)| c.class == class)?;
        format!("{path}.{name}")
    };
    // What the plan has made of it elsewhere fits the small model, and the default does not.
    let elsewhere = holders(card, name)
        .into_iter()
        .map(|(path, value)| get(&plan.config, &path).cloned().unwrap_or(value))
        .find(|value| !value.is_null())
        .or_else(|| in_tables(card, name));
    let value = elsewhere
        .or_else(|| usual(card, name))
        .or_else(|| (role(name) == Role::Width).then(|| Value::from(WIDTH)))
        .or_else(|| neutral(name))?;
    let mut next = plan.clone();
    put_named(card, &mut next.config, &path, value);
    let reason = format!("`{class}` has no `{name}`, which the model reads");
    Some(Candidate::setting(
        next,
        &format!("config.{path}"),
        searched(STATED, finding, reason),
    ))
}

/// A value that changes nothing of a small random model: what is dropped is dropped in training only, and the judge's
/// weights are drawn anew.
fn neutral(name: &str) -> Option<Value> {
    let has = |part: &str| name.contains(part);
    if has("dropout") {
        Some(Value::from(0.0))
    } else if has("initializer") {
        Some(Value::from(0.02))
    } else if has("eps") {
        Some(Value::from(1e-5))
    } else if has("factor") || has("scale") {
        Some(Value::from(1.0))
    } else if name.ends_with("_bias") || name.starts_with("use_") {
        Some(Value::from(false))
    } else {
        None
    }
}

/// The value of a name inside a table of the defaults, such as a rotary base inside the rotary parameters.
fn in_tables(card: &InterfaceCard, name: &str) -> Option<Value> {
    nodes(card)
        .iter()
        .flat_map(|node| &node.fields)
        .find_map(|field| field.default.as_object()?.get(name).cloned())
}

/// The key of a `KeyError`.
fn absent_key(finding: &Finding) -> Option<&str> {
    let error = finding
        .error
        .as_ref()
        .filter(|e| e.exception == "KeyError")?;
    let key = error.message.trim().trim_matches('\'');
    (!key.is_empty() && key != "None").then_some(key)
}

/// A table of one setting that the code reads by kinds holds it once for every kind.
fn per_kind(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    key: &str,
) -> Option<Candidate> {
    let code = text::code(finding);
    let mut next = plan.clone();
    for node in nodes(card) {
        for field in &node.fields {
            if !text::names(&code, &field.name) {
                continue;
            }
            let Some(table) = one_setting(&field.name, &field.default, key) else {
                continue;
            };
            let mut kinds: Vec<String> = node
                .fields
                .iter()
                .filter(|other| other.name.contains("types"))
                .filter_map(|other| other.default.as_array())
                .flatten()
                .filter_map(|kind| Some(kind.as_str()?.to_owned()))
                .collect();
            kinds.push(key.to_owned());
            let by_kind: Map<String, Value> = kinds
                .into_iter()
                .map(|kind| (kind, Value::Object(table.clone())))
                .collect();
            let path = join(&node.path, &field.name);
            put_named(card, &mut next.config, &path, Value::Object(by_kind));
        }
    }
    let reason = format!("a table is read by kinds and has no entry for `{key}`");
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// The setting that a table holds once and not by kinds; an empty rotary one stands for the plain embedding.
fn one_setting(name: &str, table: &Value, key: &str) -> Option<Map<String, Value>> {
    match table {
        Value::Object(table) if !table.is_empty() => {
            let flat = table.values().all(|value| !value.is_object());
            (flat && !table.contains_key(key)).then(|| table.clone())
        }
        Value::Null | Value::Object(_) if name.contains("rope") => Some(Map::from_iter([
            ("rope_type".to_owned(), Value::from("default")),
            ("rope_theta".to_owned(), Value::from(10000.0)),
        ])),
        _ => None,
    }
}

/// Every path of the tree that ends with a field of this name, with its default.
fn holders(card: &InterfaceCard, name: &str) -> Vec<(String, Value)> {
    nodes(card)
        .iter()
        .filter_map(|node| {
            let field = node.fields.iter().find(|field| field.name == name)?;
            Some((join(&node.path, name), field.default.clone()))
        })
        .collect()
}

/// Sets a field; the tables on its way get their `model_type`, without which they would not be built.
pub fn put_named(card: &InterfaceCard, config: &mut Map<String, Value>, path: &str, value: Value) {
    if let Some((table, _)) = path.rsplit_once('.') {
        for node in nodes(card) {
            let inside = table == node.path || table.starts_with(&format!("{}.", node.path));
            if let Some(model_type) = node.model_type.filter(|_| !node.path.is_empty() && inside) {
                put(
                    config,
                    &format!("{}.model_type", node.path),
                    Value::from(model_type),
                );
            }
        }
    }
    put(config, path, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stated_value_is_read_with_its_name() {
        let said = "ValueError: `fast_width` must be 0, got 256\nuse_it must be False; size must be positive";
        assert_eq!(
            must_be(said),
            [
                ("fast_width".to_owned(), json!(0)),
                ("use_it".to_owned(), json!(false))
            ]
        );
    }

    #[test]
    fn a_required_value_is_read_with_its_name() {
        let said = "ValueError: sparse attention requires key_heads=1.";
        assert_eq!(requires(said), Some(("key_heads".to_owned(), json!(1))));
        assert_eq!(requires("This requires a list of names"), None);
    }

    #[test]
    fn a_field_that_a_helper_finds_without_a_value_gets_one_where_it_is() {
        let source = json!({"file": "any.py", "line": 1});
        let card = crate::search::fixtures::card(json!({
            "sub_configs": {"text_config": {"class": "AnyTextConfig", "attribute_map": {}, "fields": [
                {"name": "sliding_window", "default": null, "source": source},
            ]}},
        }));
        let said = "Could not find a `sliding_window` argument in the config, or it is not set";
        let finding = crate::search::fixtures::finding(portwright_core::Stage::Forward, said);
        let plan = crate::search::fixtures::features();
        let found = candidates(&card, &plan, &finding);
        assert!(found[0].plan.config["text_config"]["sliding_window"].is_number());
    }

    #[test]
    fn a_missing_attribute_is_read_with_its_class() {
        let said = "AttributeError: 'InnerConfig' object has no attribute 'base'";
        assert_eq!(lacks(said), Some(("InnerConfig", "base")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*( must be | should be )\\PC*") {
            let _ = (must_be(&said), lacks(&said), requires(&said));
        }
    }
}

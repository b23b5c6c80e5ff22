//! Fields without a value: what they are given where the failing code uses one of them.

use portwright_core::{Finding, InterfaceCard, PortPlan, plan::Values};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    config::{key, leaf},
    entries::{documented, one},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{RESERVED, Role, empty_fields, get, join, nodes, role};

/// Fields without a value get one, where the error is about something that is `None`.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let about_none = [
        "NoneType",
        "None",
        "needs to be specified",
        "must be specified",
        "missing required",
        "is not set",
    ]
    .iter()
    .any(|words| said.contains(words));
    // A size of `None` among others leaves torch without a fitting signature, which it words in many ways.
    let typed = finding
        .error
        .as_ref()
        .is_some_and(|error| error.exception == "TypeError");
    if !about_none && !typed {
        return Vec::new();
    }
    let code = text::code(finding);
    let empty: Vec<(String, Value)> = empty_fields(card)
        .into_iter()
        .chain(kinds(card, plan, &code))
        .filter(|(path, _)| get(&plan.config, path).is_none())
        .collect();
    let mut about: Vec<(String, Value)> = empty
        .iter()
        .filter(|(path, _)| text::names(&said, leaf(path)) || text::names(&code, leaf(path)))
        .cloned()
        .collect();
    about.extend(unusual(card, plan, &code, &about));
    // What begins with the same word belongs to the same part of the model, which then needs all of it.
    let words: Vec<String> = about
        .iter()
        .filter_map(|(path, _)| Some(format!("{}_", leaf(path).split_once('_')?.0)))
        .filter(|word| !["num_", "hidden_", "max_"].contains(&word.as_str()))
        .collect();
    // One without a usual size is a count or a bound that is best at one, as where the code names it.
    let unset = unset_numbers(card, plan);
    for (path, value) in empty.iter().chain(&unset) {
        let belongs = words.iter().any(|word| leaf(path).starts_with(word));
        if belongs && !about.iter().any(|(other, _)| other == path) {
            about.push((path.clone(), value.clone()));
        }
    }
    let mut found = Vec::new();
    for group in [about, empty] {
        if group.is_empty() {
            continue;
        }
        let mut next = plan.clone();
        for (path, value) in &group {
            put_named(card, &mut next.config, path, value.clone());
        }
        if group
            .iter()
            .any(|(path, _)| role(leaf(path)) == Role::Token)
        {
            avoid_special(&mut next);
        }
        let names: Vec<&str> = group.iter().map(|(path, _)| path.as_str()).collect();
        let provenance = searched(STATED, finding, "a field without a value is used");
        found.push(Candidate::setting(next, &key(&names), provenance));
    }
    found
}

/// Fields without a value or a usual size that the failing code names: one is a number that any count and any bound can
/// be.
fn unusual(
    card: &InterfaceCard,
    plan: &PortPlan,
    code: &str,
    known: &[(String, Value)],
) -> Vec<(String, Value)> {
    let paths = nodes(card).into_iter().flat_map(|node| {
        let empty = node.fields.into_iter().filter(|f| f.default.is_null());
        empty
            .map(|field| join(&node.path, &field.name))
            .collect::<Vec<_>>()
    });
    paths
        .filter(|path| {
            let name = leaf(path);
            // A module may keep a field under its own name without the first word.
            let kept = name
                .split_once('_')
                .filter(|(_, rest)| rest.contains('_'))
                .is_some_and(|(_, rest)| text::names(code, &format!("self.{rest}")));
            // A short name is a word like any other, unless the class says what such a field may hold.
            (text::names(code, name) || kept)
                && (name.contains('_') || documented(card, path).is_some())
                && !name.ends_with("types")
                && get(&plan.config, path).is_none()
                && !known.iter().any(|(other, _)| other == path)
        })
        .map(|path| {
            let value = documented(card, &path).unwrap_or_else(|| one(card, &path));
            (path, value)
        })
        .collect()
}

/// Whole numbers without a value, by the annotations of their fields.
fn unset_numbers(card: &InterfaceCard, plan: &PortPlan) -> Vec<(String, Value)> {
    let tables = card
        .sub_configs
        .iter()
        .map(|(path, config)| (path.as_str(), &config.fields));
    std::iter::once(("", &card.config_fields))
        .chain(tables)
        .flat_map(|(path, fields)| fields.iter().map(move |field| (path, field)))
        .filter(|(_, field)| {
            let annotation = field.annotation.as_deref().unwrap_or_default();
            field.default.is_null() && text::names(annotation, "int") && !annotation.contains('[')
        })
        .map(|(path, field)| (join(path, &field.name), Value::from(1)))
        .filter(|(path, _)| get(&plan.config, path).is_none() && role(leaf(path)) != Role::Token)
        .collect()
}

/// Lists of layer kinds that have no default, filled with the kind that the code compares with.
fn kinds(card: &InterfaceCard, plan: &PortPlan, code: &str) -> Vec<(String, Value)> {
    let compared = code
        .split_once("== \"")
        .and_then(|(_, rest)| rest.split('"').next());
    let Some(kind) = compared else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for node in nodes(card) {
        let depth = node
            .fields
            .iter()
            .filter(|field| role(&field.common) == Role::Depth)
            .find_map(|field| {
                let path = join(&node.path, &field.name);
                let set = get(&plan.config, &path).and_then(Value::as_u64);
                set.or_else(|| field.default.as_u64())
            });
        let empty = node
            .fields
            .iter()
            .filter(|field| field.default.is_null() && field.name.ends_with("layer_types"));
        if let Some(depth) = depth {
            found.extend(empty.map(|field| {
                let list = (0..depth).map(|_| Value::from(kind)).collect();
                (join(&node.path, &field.name), Value::Array(list))
            }));
        }
    }
    found
}

/// Inputs draw no id below those that are left for special tokens.
fn avoid_special(plan: &mut PortPlan) {
    for input in plan.inputs.iter_mut().filter(|i| i.modality == "text") {
        if let Values::Integer { low, high } = &mut input.values {
            let least = i64::try_from(RESERVED).unwrap_or(0);
            if *high > least {
                *low = (*low).max(least);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn an_empty_list_that_the_code_measures_gets_one_entry() {
        let source = json!({"file": "any.py", "line": 1});
        let field = |name: &str| json!({"name": name, "default": null, "annotation": "list | None", "declared": "None", "source": source});
        let card = fixtures::card(
            json!({"config_fields": [field("tap_layers"), field("layer_pair_map")]}),
        );
        let of = |name: &str| {
            let said = "object of type 'NoneType' has no len()";
            let code = format!("len(config.{name})");
            let finding = fixtures::met(Stage::Instantiate, "TypeError", said, &code);
            candidates(&card, &fixtures::features(), &finding)[0]
                .plan
                .config[name]
                .clone()
        };
        assert_eq!(of("tap_layers"), json!([1]));
        assert_eq!(of("layer_pair_map"), json!([[1, 1]]));
    }
}

//! Sections of a multi-axis rotary embedding that only the library's code has a default for: they fill half of a
//! large head and not of a small one.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Value, json};

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::{Role, get, join, nodes, portions, put, role};

/// Where the sections stand, in a table that every configuration with rotary positions has.
const TABLE: &str = "rope_parameters";
const SECTIONS: &str = "mrope_section";

/// Plans whose sections have the sum that the error asks for; half of it, where the code doubles them.
pub fn sections(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let code = text::code(finding);
    let (before, parts) = match said.split_once("split_sizes=[") {
        Some((before, list)) if code.contains(SECTIONS) || code.contains("split_sizes") => {
            let list = list.split(']').next().unwrap_or_default();
            (before, text::numbers(list))
        }
        // Height and width side by side, and time behind them.
        _ if text::names(&code, "hw_dim") => (said.as_str(), vec![1, 1, 1]),
        _ => return Vec::new(),
    };
    let Some(total) = text::numbers(before).first().copied() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for total in [total, total / 2] {
        let mut next = plan.clone();
        for node in nodes(card) {
            let attends = node.fields.iter().any(|f| role(&f.common) == Role::Heads);
            let Some(field) = node.field(TABLE).filter(|_| attends) else {
                continue;
            };
            let path = join(&node.path, TABLE);
            let known = get(&next.config, &path).unwrap_or(&field.default);
            let mut table = known.as_object().cloned().unwrap_or_default();
            let sections = Value::from(portions(&parts, total));
            if table.values().any(Value::is_object) {
                // One table for every kind of layer.
                for kind in table.values_mut().filter_map(Value::as_object_mut) {
                    kind.insert(SECTIONS.into(), sections.clone());
                }
            } else {
                table.entry("rope_type").or_insert(json!("default"));
                table.entry("rope_theta").or_insert(json!(10000.0));
                table.insert(SECTIONS.into(), sections);
            }
            put(&mut next.config, &path, Value::Object(table));
        }
        let reason = format!("the sections of a head must have the sum {total}");
        let key = format!("config.{TABLE}.{SECTIONS}");
        found.push(Candidate::setting(
            next,
            &key,
            searched("sections", finding, reason),
        ));
    }
    found
}

/// The axes of a multi-axis rotary embedding, where the configuration has a section for each.
pub(crate) fn axes(card: &InterfaceCard, plan: &PortPlan) -> Option<u64> {
    nodes(card).iter().find_map(|node| {
        let field = node.field(TABLE)?;
        let known = get(&plan.config, &join(&node.path, TABLE)).unwrap_or(&field.default);
        let table = known.as_object()?;
        let nested = table.values().filter_map(Value::as_object);
        let sections = std::iter::once(table)
            .chain(nested)
            .find_map(|table| table.get(SECTIONS)?.as_array())?;
        u64::try_from(sections.len()).ok()
    })
}

/// Plans with rotary parameters for every kind of layer, where the code looks them up by kind and finds none.
pub fn kinds(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let missing = finding
        .error
        .as_ref()
        .filter(|e| e.exception == "KeyError")?;
    let kind = missing.message.trim_matches(['\'', '"']);
    if kind.is_empty() || !text::code(finding).contains("rope_parameters[") {
        return None;
    }
    let mut next = plan.clone();
    for node in nodes(card) {
        let Some(field) = node.field(TABLE) else {
            continue;
        };
        let path = join(&node.path, TABLE);
        let known = get(&next.config, &path).unwrap_or(&field.default);
        let mut table = known.as_object().cloned().unwrap_or_default();
        let listed = get(&next.config, &join(&node.path, "layer_types"))
            .or(node.field("layer_types").map(|field| &field.default))
            .and_then(Value::as_array);
        let all = listed.into_iter().flatten().filter_map(Value::as_str);
        let mut all: Vec<String> = all.map(str::to_owned).collect();
        if !all.iter().any(|name| name == kind) {
            continue;
        }
        all.retain(|name| !table.contains_key(name));
        for name in all {
            let plain = json!({ "rope_type": "default", "rope_theta": 10000.0 });
            table.insert(name, plain);
        }
        put(&mut next.config, &path, Value::Object(table));
    }
    let reason = format!("layers of the kind `{kind}` have no rotary parameters");
    (next != *plan).then(|| {
        let key = format!("config.{TABLE}");
        Candidate::setting(next, &key, searched("sections", finding, reason))
    })
}

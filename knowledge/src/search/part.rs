//! What calls the part that a port is about, where its whole can run without it.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    inputs::is_tensor,
    switches::is_no_way,
};
use crate::propose::{ProposeOptions, get, more_input, nodes, propose, refit};

/// The signature of a reference that does not call the part.
pub const NOT_CALLED: &str = "the reference does not call the part";

/// How many of one kind are proposed.
const FEW: usize = 8;

/// Plans in which the whole makes the part, with more of the whole's optional inputs, and with its other classes.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = switched_on(card, plan, finding);
    found.extend(with_more(card, plan, finding));
    found.extend(other_classes(card, plan, finding));
    found
}

/// One switch on that is off by default and says that something is used: the whole makes the part only with it.
fn switched_on(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let own = nodes(card).into_iter().next();
    let off = own.into_iter().flat_map(|node| node.fields);
    let off = off.filter(|field| {
        let now = get(&plan.config, &field.name).unwrap_or(&field.default);
        let says = ["use_", "with_", "add_", "has_"];
        now == &Value::Bool(false)
            && says.iter().any(|word| field.name.starts_with(word))
            && !is_no_way(&field.name)
    });
    off.take(FEW)
        .map(|field| {
            let mut next = plan.clone();
            next.config.insert(field.name.clone(), Value::Bool(true));
            let reason = format!("with `{}` the whole may make the part", field.name);
            let key = format!("config.{}", field.name);
            Candidate::setting(next, &key, searched("part", finding, reason))
        })
        .collect()
}

/// One optional input more, with those that are named after it, such as what marks some boxes. Only what the library
/// documents can be drawn well without a hint from an error.
fn with_more(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let Some(class) = card.class(&plan.class) else {
        return Vec::new();
    };
    let names: Vec<&str> = class
        .inputs
        .iter()
        .filter(|input| !input.shape.is_empty() && is_tensor(&input.name))
        .map(|input| input.name.as_str())
        .filter(|name| plan.input(name).is_none())
        .collect();
    let add = |wanted: &[&str]| {
        let mut next = plan.clone();
        for name in wanted {
            next = more_input(card, &next, name)?;
        }
        let reason = format!("`{}` may be what the part is for", wanted.join("`, `"));
        let key = format!("inputs.{}", wanted.join(","));
        Some(Candidate::setting(
            next,
            &key,
            searched("part", finding, reason),
        ))
    };
    let mut found: Vec<Candidate> = Vec::new();
    for name in names.iter().take(FEW) {
        let after: Vec<&str> = names
            .iter()
            .copied()
            .filter(|other| other.starts_with(name))
            .collect();
        if after.len() > 1 {
            found.extend(add(&after));
        }
        found.extend(add(&[name]));
    }
    found
}

fn other_classes(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let others = card.classes.iter().filter(|class| class.name != plan.class);
    others
        .take(FEW)
        .filter_map(|class| {
            let options = ProposeOptions {
                class: Some(class.name.clone()),
                ..ProposeOptions::default()
            };
            let mut next = propose(card, &options).ok()?;
            // What was repaired on the way here holds for every class of the whole.
            let proposed = std::mem::replace(&mut next.config, plan.config.clone());
            next.weights = plan.weights.clone();
            let next = refit(card, next, &proposed);
            let reason = format!("`{}` may call the part", class.name);
            Some(Candidate::setting(
                next,
                "class",
                searched("part", finding, reason),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::Signature;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_switch_is_turned_on_then_what_is_documented_is_added_and_other_classes_follow() {
        let source = json!({ "file": "any.py", "line": 1 });
        let input = |name: &str, shape: &[&str]| json!({ "name": name, "required": false, "shape": shape, "source": source });
        let class = |name: &str, inputs: Vec<serde_json::Value>| json!({ "name": name, "module": "any", "task": "base", "source": source, "main_input": "input_ids", "inputs": inputs });
        let card: InterfaceCard = serde_json::from_value(json!({
            "schema": 1, "model_type": "part", "whole": "any", "library_version": "5.20.2", "family": "multimodal",
            "config_class": { "name": "AnyConfig", "module": "any", "source": source },
            "config_fields": [
                { "name": "use_cache", "default": false },
                { "name": "use_part", "default": false },
            ],
            "attribute_map": {}, "sub_configs": {}, "modalities": [],
            "classes": [
                class("AnyModel", vec![
                    input("input_ids", &[]),
                    input("boxes", &["batch_size", "4"]),
                    input("boxes_marks", &["batch_size", "1"]),
                    input("unknown", &[]),
                ]),
                class("AnyOther", vec![input("input_ids", &[])]),
            ],
        }))
        .unwrap();
        let plan = propose(&card, &ProposeOptions::default()).unwrap();
        let finding = Finding {
            stage: portwright_core::Stage::Reference,
            backend: None,
            signature: Signature::phrase(NOT_CALLED),
            message: String::new(),
            error: None,
            hint: None,
        };
        let found = candidates(&card, &plan, &finding);
        let inputs = |at: usize| -> Vec<&str> {
            let inputs = found[at].plan.inputs.iter();
            inputs.map(|input| input.name.as_str()).collect()
        };
        assert_eq!(found[0].plan.config["use_part"], json!(true));
        assert_eq!(inputs(1), ["input_ids", "boxes", "boxes_marks"]);
        assert_eq!(inputs(2), ["input_ids", "boxes"]);
        assert_eq!(found.last().unwrap().plan.class, "AnyOther");
    }
}

//! Configurations in which what the tracer writes down is what the model does for any input.
//!
//! Some mixtures loop over the experts that some token was sent to. The tracer writes the turns of that loop down one
//! after the other, as many as it saw and for the experts that it saw. Of two experts each has tokens of about any
//! input, so that what was traced is what the model does. In the same way some models find as many things as there are,
//! unless the configuration says how many they find at most.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage, plan::Strategy};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::put_named,
};
use crate::propose::{Field, Role, get, join, nodes, role};

/// The experts that are left of each kind.
const FEW: u64 = 2;

/// What a model may find at most: fewer than it finds in about any input.
const LIMIT: u64 = 8;

/// The plans in which the tracer's artefact runs into nothing that it was not traced with, where it did.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let ran = matches!(finding.stage, Stage::Execute | Stage::Compare);
    let export = finding.backend.and_then(|backend| plan.export_for(backend));
    if !ran || export.is_none_or(|export| export.strategy != Strategy::TorchScript) {
        return Vec::new();
    }
    let reason = "of two experts each has tokens of any input, and the tracer's turns are those of the model";
    let few = changed(card, plan, finding, reason, |field| {
        match role(&field.common) {
            Role::Experts => Some(FEW),
            Role::ExpertGroups | Role::ExpertGroupsPerToken => Some(1),
            _ => None,
        }
    });
    let reason = "with a limit to what is found, about any input has as much of it";
    // No limit is written as a number below zero, which is no size.
    let limited = changed(card, plan, finding, reason, |field| {
        let unlimited = field.default.as_i64().is_some_and(|default| default < 0);
        (unlimited && field.name.starts_with("max_")).then_some(LIMIT)
    });
    few.into_iter().chain(limited).collect()
}

/// The plan in which no field is more than `most` says; `None` where none is.
fn changed(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    reason: &str,
    most: impl Fn(&Field) -> Option<u64>,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let mut first = None;
    for node in nodes(card) {
        for field in &node.fields {
            let Some(most) = most(field) else { continue };
            let path = join(&node.path, &field.name);
            let now = get(&plan.config, &path).unwrap_or(&field.default);
            let unlimited = now.as_i64().is_some_and(|now| now < 0);
            if unlimited || now.as_u64().is_some_and(|now| now > most) {
                put_named(card, &mut next.config, &path, Value::from(most));
                first.get_or_insert(path);
            }
        }
    }
    let key = format!("config.{}", first?);
    let provenance = searched("counts", finding, reason);
    Some(Candidate::setting(next, &key, provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::{Backend, Format, Signature};
    use serde_json::json;

    use super::*;
    use crate::propose::{ProposeOptions, propose};

    fn card() -> InterfaceCard {
        let path = format!(
            "{}/tests/fixtures/card_llama.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut card: InterfaceCard =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut field = card.config_fields[0].clone();
        field.name = "num_experts".into();
        field.default = json!(8);
        field.declared = None;
        card.config_fields.push(field);
        card
    }

    fn finding(stage: Stage) -> Finding {
        Finding {
            stage,
            backend: Some(Backend::ONNXRUNTIME),
            signature: Signature::phrase("values differ"),
            message: "values differ".into(),
            error: None,
            hint: None,
        }
    }

    #[test]
    fn a_traced_loop_over_experts_has_two_of_them() {
        let card = card();
        let mut plan = propose(&card, &ProposeOptions::default()).unwrap();
        // The library's exporter has ways of its own for mixtures.
        assert!(candidates(&card, &plan, &finding(Stage::Compare)).is_empty());
        let export = plan.export.get_mut(&Format::Onnx).unwrap();
        export.strategy = Strategy::TorchScript;
        assert!(candidates(&card, &plan, &finding(Stage::Export)).is_empty());
        let found = candidates(&card, &plan, &finding(Stage::Compare));
        assert_eq!(found[0].plan.config["num_experts"], json!(2));
        // Nothing is left to make fewer.
        assert!(candidates(&card, &found[0].plan, &finding(Stage::Compare)).is_empty());
    }
    #[test]
    fn what_a_traced_model_finds_has_a_limit() {
        let mut card = card();
        let mut field = card.config_fields[0].clone();
        field.name = "max_keypoints".into();
        field.default = json!(-1);
        card.config_fields.push(field);
        let mut plan = propose(&card, &ProposeOptions::default()).unwrap();
        let export = plan.export.get_mut(&Format::Onnx).unwrap();
        export.strategy = Strategy::TorchScript;
        let found = candidates(&card, &plan, &finding(Stage::Execute));
        assert_eq!(found[1].plan.config["max_keypoints"], json!(8));
    }
}

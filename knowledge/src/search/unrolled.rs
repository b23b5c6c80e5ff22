//! A mixture of so few experts that each of them has tokens.
//!
//! Some mixtures loop over the experts that some token was sent to. The tracer writes the turns of that loop down one
//! after the other, as many as it saw and for the experts that it saw. Of two experts each has tokens of about any
//! input, so that what was traced is what the model does.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage, plan::Strategy};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::put_named,
};
use crate::propose::{Role, get, join, nodes, role};

/// The experts that are left of each kind.
const FEW: u64 = 2;

/// The plan with few experts, where the tracer's artefact runs into others than it was traced with.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let ran = matches!(finding.stage, Stage::Execute | Stage::Compare);
    let export = plan.export.get(&finding.backend?)?;
    if !ran || export.strategy != Strategy::TorchScript {
        return None;
    }
    let mut next = plan.clone();
    let mut first = None;
    for node in nodes(card) {
        for field in &node.fields {
            let most = match role(&field.common) {
                Role::Experts => FEW,
                Role::ExpertGroups | Role::ExpertGroupsPerToken => 1,
                _ => continue,
            };
            let path = join(&node.path, &field.name);
            let now = get(&plan.config, &path).unwrap_or(&field.default).as_u64();
            if now.is_some_and(|now| now > most) {
                put_named(card, &mut next.config, &path, Value::from(most));
                first.get_or_insert(path);
            }
        }
    }
    let reason = "of two experts each has tokens of any input, and the tracer's turns are those of the model";
    let key = format!("config.{}", first?);
    Some(Candidate::setting(
        next,
        &key,
        searched("experts", finding, reason),
    ))
}

#[cfg(test)]
mod tests {
    use portwright_core::{Backend, Signature};
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
            backend: Some(Backend::Onnxruntime),
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
        assert!(candidates(&card, &plan, &finding(Stage::Compare)).is_none());
        let export = plan.export.get_mut(&Backend::Onnxruntime).unwrap();
        export.strategy = Strategy::TorchScript;
        assert!(candidates(&card, &plan, &finding(Stage::Export)).is_none());
        let found = candidates(&card, &plan, &finding(Stage::Compare)).unwrap();
        assert_eq!(found.plan.config["num_experts"], json!(2));
        // Nothing is left to make fewer.
        assert!(candidates(&card, &found.plan, &finding(Stage::Compare)).is_none());
    }
}

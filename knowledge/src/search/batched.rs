//! Mixtures of experts for a backend whose graphs have fixed sizes.
//!
//! The grouped product gives each expert the tokens that were sent to it, and how many those are is known when the model
//! runs. The batched product takes the weights of its experts for each token: that needs more memory, and every size is fixed.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage, plan::AdaptationKind};

use super::candidate::{Candidate, searched};
use crate::propose::{Role, nodes, role};

/// The implementation, as the library names it.
const BATCHED: &str = "batched_mm";

/// The plan with the batched product, where a backend of fixed sizes refused a mixture or left nodes of it to another
/// provider.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let ran = matches!(finding.stage, Stage::Load | Stage::Execute);
    let fixed = (finding.backend).is_some_and(|backend| backend.spec().fixed_sizes);
    let mut fields = nodes(card).into_iter().flat_map(|node| node.fields);
    let kind = AdaptationKind::ExpertsImplementation {
        name: BATCHED.to_owned(),
    };
    let known = plan.adaptations.iter().any(|known| known.kind == kind);
    if !ran || !fixed || known || !fields.any(|field| role(&field.common) == Role::Experts) {
        return Vec::new();
    }
    let reason = "how many tokens an expert gets is known when the model runs, and this backend fixes sizes before";
    vec![Candidate::new(
        plan.clone(),
        kind,
        searched("experts", finding, reason),
    )]
}

#[cfg(test)]
mod tests {
    use portwright_core::Backend;
    use serde_json::json;

    use super::{
        super::fixtures::{card, features, finding},
        *,
    };

    #[test]
    fn a_mixture_is_batched_for_a_backend_of_fixed_sizes_only_and_once() {
        let experts = json!({ "name": "num_experts", "default": 8 });
        let (mixture, dense) = (card(json!({ "config_fields": [experts] })), card(json!({})));
        let plan = features();
        let on = |backend| Finding {
            backend: Some(backend),
            ..finding(Stage::Execute, "3 of 26 nodes ran on the provider")
        };
        let fixed = Backend::all().find(|it| it.spec().fixed_sizes).unwrap();
        let found = candidates(&mixture, &plan, &on(fixed));
        assert_eq!(found.len(), 1);
        assert!(candidates(&mixture, &found[0].plan, &on(fixed)).is_empty());
        assert!(candidates(&dense, &plan, &on(fixed)).is_empty());
        assert!(candidates(&mixture, &plan, &on(Backend::ONNXRUNTIME)).is_empty());
    }
}

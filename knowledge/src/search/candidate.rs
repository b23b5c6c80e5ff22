//! A plan worth trying next, with what was changed and why.

use portwright_core::{
    Finding, PortPlan,
    plan::{Adaptation, AdaptationKind, Provenance, Source},
};
use serde::{Deserialize, Serialize};

/// A plan worth trying next. The plan already lists the adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub plan: PortPlan,
    pub adaptation: Adaptation,
}

impl Candidate {
    /// A change that lives in the plan's own tables, named by its dotted key.
    pub fn setting(plan: PortPlan, key: &str, provenance: Provenance) -> Self {
        let key = key.to_owned();
        Self::new(plan, AdaptationKind::Setting { key }, provenance)
    }

    /// Any change; an earlier record of the same change is replaced, so that the list says what holds and not what
    /// was tried.
    pub fn new(mut plan: PortPlan, kind: AdaptationKind, provenance: Provenance) -> Self {
        let adaptation = Adaptation { kind, provenance };
        plan.adaptations
            .retain(|known| known.kind != adaptation.kind);
        plan.adaptations.push(adaptation.clone());
        Self { plan, adaptation }
    }
}

/// Where a change of the search comes from.
pub fn searched(axis: &str, finding: &Finding, reason: impl Into<String>) -> Provenance {
    Provenance {
        source: Source::Search,
        name: axis.to_owned(),
        answers: finding.signature.0.clone(),
        reason: reason.into(),
    }
}

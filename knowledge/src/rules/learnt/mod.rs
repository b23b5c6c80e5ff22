//! Learnt rules: what repaired one type is tried on the next that meets the same finding.
//!
//! A run that repairs a type, or that tries a learnt rule, leaves a [`Lesson`]. Lessons are kept as they came and never
//! changed; the rules and their states follow from them ([`rules`]). A repair that a fresh build confirmed is a candidate,
//! a second type makes it active, and a type or a release that it breaks puts it into quarantine for that release.

mod generalise;
mod lesson;
mod rule;
#[cfg(test)]
mod tests;

pub use generalise::generalise;
pub use lesson::{Lesson, Outcome, Repair};
pub use rule::{LearntRule, State, Witness, rules};

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{AdaptationKind, Provenance, Source},
};

use super::Change;
use crate::search::{Candidate, said};

/// How the name of every learnt rule begins.
const PREFIX: &str = "learnt-";

/// Whether a rule of this name was learnt, rather than shipped.
pub fn is_learnt(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Plans by the learnt rules that answer a finding: active rules first, and of two alike the one with more
/// confirmations.
pub fn candidates(
    learnt: &[LearntRule],
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
) -> Vec<Candidate> {
    learnt
        .iter()
        .filter(|rule| rule.repair.answers(finding))
        .filter_map(|rule| apply(rule, card, plan, finding))
        .collect()
}

/// The plan with all changes of a rule; `None` where one does not apply, or none changes anything.
fn apply(
    rule: &LearntRule,
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
) -> Option<Candidate> {
    let text = format!("{}\n{}", finding.signature, said(finding));
    let mut candidate: Option<Candidate> = None;
    for change in &rule.repair.changes {
        let before = candidate
            .as_ref()
            .map_or_else(|| plan.clone(), |made| made.plan.clone());
        let mut next = before.clone();
        let kind = change.apply(card, &mut next, finding, &text)?;
        if next == before && matches!(kind, AdaptationKind::Setting { .. }) {
            // The plan has this one already; the others may be what it lacks.
            continue;
        }
        let provenance = Provenance {
            source: Source::Rule,
            name: rule.name.clone(),
            answers: finding.signature.0.clone(),
            reason: rule.reason.clone(),
        };
        candidate = Some(Candidate::new(next, kind, provenance));
    }
    candidate.filter(|candidate| candidate.plan.validate().is_ok())
}

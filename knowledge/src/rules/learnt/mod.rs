//! Learnt rules: what repaired one type is tried on the next that meets the same finding.
//!
//! A run that repairs a type, or that tries a learnt rule, leaves a [`Lesson`]. Lessons are kept as they came and never
//! changed; the rules and their states follow from them ([`rules`]). A repair that a fresh build confirmed is a candidate,
//! a second type makes it active, and a type or a release that it breaks puts it into quarantine for that release. One that
//! hides a branch ([`hiding`]) is never learnt, and where an older version left one, it stays in quarantine.

mod generalise;
mod hiding;
mod lesson;
mod rule;
#[cfg(test)]
mod tests;

pub use generalise::generalise;
pub use lesson::{Lesson, Outcome, Repair};
pub use rule::{LearntRule, State, Witness, rules};

use portwright_core::{Finding, InterfaceCard, PortPlan};

use super::Change;
use crate::search::Candidate;

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
        .filter_map(|rule| {
            let why = (rule.name.as_str(), rule.reason.as_str());
            super::apply(&rule.repair.changes, why, card, plan, finding)
        })
        .collect()
}

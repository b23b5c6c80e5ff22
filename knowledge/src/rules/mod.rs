//! Rules: what cured an error before, in any model that meets it. The seed rules are data; [`learnt`] holds those that
//! come of verified repairs.

mod change;
pub mod learnt;
mod wanted;

use std::sync::LazyLock;

use portwright_core::{
    Backend, Finding, InterfaceCard, PortPlan, Stage,
    plan::{AdaptationKind, Provenance, Source},
};
use serde::Deserialize;

use crate::search::{Candidate, said};

pub use change::Change;

/// The embedded rules. A test keeps them readable, so an error here is a defect and leaves the ladder to the search.
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| read(include_str!("rules.toml")).unwrap_or_default());

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    stages: Vec<Stage>,
    #[serde(default)]
    backend: Option<Backend>,
    any: Vec<String>,
    /// All of them together are the cure.
    changes: Vec<Change>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

fn read(text: &str) -> Result<Vec<Rule>, toml::de::Error> {
    Ok(toml::from_str::<File>(text)?.rule)
}

/// Plans by the rules that answer a finding, in the order of the rules.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let text = format!("{}\n{}", finding.signature, said(finding));
    RULES
        .iter()
        .filter(|rule| answers(rule, finding, &text))
        .filter_map(|rule| {
            let why = (rule.name.as_str(), rule.reason.as_str());
            apply(&rule.changes, why, card, plan, finding)
        })
        .collect()
}

fn answers(rule: &Rule, finding: &Finding, text: &str) -> bool {
    rule.stages.contains(&finding.stage)
        && (rule.backend.is_none() || rule.backend == finding.backend)
        && (rule.any.is_empty() || rule.any.iter().any(|piece| text.contains(piece.as_str())))
}

/// The plan with all changes of a rule, which has this name and reason; `None` where one does not apply, or none changes
/// anything.
fn apply(
    changes: &[Change],
    (name, reason): (&str, &str),
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
) -> Option<Candidate> {
    let text = format!("{}\n{}", finding.signature, said(finding));
    let mut candidate: Option<Candidate> = None;
    for change in changes {
        let before = candidate.as_ref().map_or(plan, |made| &made.plan);
        let mut next = before.clone();
        let kind = change.apply(card, &mut next, finding, &text)?;
        if next == *before && matches!(kind, AdaptationKind::Setting { .. }) {
            // The plan has this one already; the others may be what it lacks.
            continue;
        }
        let provenance = Provenance {
            source: Source::Rule,
            name: name.to_owned(),
            answers: finding.signature.0.clone(),
            reason: reason.to_owned(),
        };
        candidate = Some(Candidate::new(next, kind, provenance));
    }
    candidate.filter(|candidate| candidate.plan.validate().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rules_are_readable_and_say_why() {
        let rules = read(include_str!("rules.toml")).unwrap();
        assert!(!rules.is_empty());
        for rule in rules {
            assert!(
                !rule.reason.is_empty() && !rule.stages.is_empty() && !rule.changes.is_empty(),
                "{}",
                rule.name
            );
        }
    }
}

//! Rules: what cured an error before, in any model that meets it. The seed rules are data; [`learnt`] holds those that
//! come of verified repairs.

mod change;
pub mod learnt;

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
    change: Change,
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
        .filter_map(|rule| apply(rule, card, plan, finding, &text))
        .filter(|candidate| candidate.plan.validate().is_ok())
        .collect()
}

fn answers(rule: &Rule, finding: &Finding, text: &str) -> bool {
    rule.stages.contains(&finding.stage)
        && (rule.backend.is_none() || rule.backend == finding.backend)
        && (rule.any.is_empty() || rule.any.iter().any(|piece| text.contains(piece.as_str())))
}

/// The plan with the rule's change; `None` where it would change nothing.
fn apply(
    rule: &Rule,
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    text: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let kind = rule.change.apply(card, &mut next, finding, text)?;
    let provenance = Provenance {
        source: Source::Rule,
        name: rule.name.clone(),
        answers: finding.signature.0.clone(),
        reason: rule.reason.clone(),
    };
    (next != *plan || !matches!(kind, AdaptationKind::Setting { .. }))
        .then(|| Candidate::new(next, kind, provenance))
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
                !rule.reason.is_empty() && !rule.stages.is_empty(),
                "{}",
                rule.name
            );
        }
    }
}

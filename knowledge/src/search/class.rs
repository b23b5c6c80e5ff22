//! Another class of the type: where an output of this class can prove nothing, one that does not return it.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage, card::ModelClass};

use super::candidate::{Candidate, searched};
use crate::propose::{ProposeOptions, propose, refit};

/// How many other classes are tried.
const FEW: usize = 3;

/// What the judge says of an output that does not depend on the inputs or is the same everywhere, before its name.
const PHRASES: [&str; 2] = [
    "reference moves with no input: output ",
    "hollow reference: output ",
];

/// The output that the judge found to prove nothing, where that is what the finding is about.
pub fn unproven(finding: &Finding) -> Option<&str> {
    PHRASES
        .iter()
        .find_map(|phrase| finding.signature.0.strip_prefix(phrase))
}

/// Plans for classes with a task of their own that do not return the output which the finding is about.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let (Stage::Reference, Some(output)) = (finding.stage, unproven(finding)) else {
        return Vec::new();
    };
    let field = output.split('.').next().unwrap_or(output);
    let without = |class: &&ModelClass| {
        class.name != plan.class
            && class.auto_class.is_some()
            && !class.outputs.is_empty()
            && !class.outputs.iter().any(|name| name == field)
    };
    card.classes
        .iter()
        .filter(without)
        .take(FEW)
        .filter_map(|class| {
            let next = of(card, plan, class)?;
            let reason = format!("`{}` does not return `{field}`", class.name);
            Some(Candidate::setting(
                next,
                "class",
                searched("class", finding, reason),
            ))
        })
        .collect()
}

/// The plan of another class. What was repaired on the way here holds for every class of the type.
pub fn of(card: &InterfaceCard, plan: &PortPlan, class: &ModelClass) -> Option<PortPlan> {
    let options = ProposeOptions {
        class: Some(class.name.clone()),
        ..ProposeOptions::default()
    };
    let mut next = propose(card, &options).ok()?;
    let proposed = std::mem::replace(&mut next.config, plan.config.clone());
    next.weights = plan.weights.clone();
    Some(refit(card, next, &proposed))
}

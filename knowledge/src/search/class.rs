//! Another class of the type: where an output of this class can prove nothing, one that does not return it.

use portwright_core::{Finding, InterfaceCard, PortPlan, Stage, card::ModelClass};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::{ProposeOptions, nodes, propose, refit};

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

/// Plans for classes with a task of their own, where the code stumbles over an attribute that nobody has set and that is no
/// field of the configuration: a class around the plain model may set it.
pub fn around(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let code = text::code(finding);
    let line = code.lines().next().unwrap_or_default();
    let of_none = said.contains("'NoneType' object is not subscriptable")
        || said.contains("'NoneType' object is not callable");
    let Some(attribute) = attribute(line).filter(|_| of_none) else {
        return Vec::new();
    };
    let nodes = nodes(card);
    let mut fields = nodes.iter().flat_map(|node| &node.fields);
    if fields.any(|field| field.name == attribute) || plan.class != base(card) {
        return Vec::new();
    }
    let others = card.classes.iter();
    others
        .filter(|class| class.name != plan.class && class.auto_class.is_some())
        .take(FEW)
        .filter_map(|class| {
            let options = ProposeOptions {
                class: Some(class.name.clone()),
                ..ProposeOptions::default()
            };
            let mut next = propose(card, &options).ok()?;
            let proposed = std::mem::replace(&mut next.config, plan.config.clone());
            next.weights = plan.weights.clone();
            let next = refit(card, next, &proposed);
            let reason = format!("`{}` may set `{attribute}`", class.name);
            let provenance = searched(STATED, finding, reason);
            Some(Candidate::setting(next, "class", provenance))
        })
        .collect()
}

/// The first class of a type, which is the plain model where there is one.
fn base(card: &InterfaceCard) -> &str {
    card.classes.first().map_or("", |class| class.name.as_str())
}

/// The attribute that a line takes an item of, or calls: `attribute` in `self.part.attribute[-1](x)`.
fn attribute(line: &str) -> Option<String> {
    let (_, path) = line.split_once("self.")?;
    let end = path.find(['[', '('])?;
    let name = path[..end].rsplit('.').next()?;
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (plain && !name.is_empty()).then(|| name.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_that_an_item_is_taken_of_is_read() {
        let line = "out = self.decoder.class_embed[-1](states)";
        assert_eq!(attribute(line).as_deref(), Some("class_embed"));
        assert_eq!(attribute("x = self.head(y)").as_deref(), Some("head"));
        assert_eq!(attribute("x = states[0]"), None);
    }
}

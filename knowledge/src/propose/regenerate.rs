//! What to try where a recipe of cached generation does not pass: other ways of giving a step its inputs.
//!
//! All of them describe the same forward over all tokens without a cache. They differ in what a step is told, and the
//! library's own generation tells some classes more than others.

use portwright_core::{
    Finding, InterfaceCard, Stage,
    plan::{Dtype, Feed, GenerationPlan, InputSpec, Values},
};

use crate::tracing::names;

/// The name under which classes take the places of a step's tokens.
const POSITIONS: &str = "position_ids";

/// Another recipe, and why it may pass.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherRecipe {
    pub recipe: GenerationPlan,
    pub reason: String,
}

/// The recipes to try after this one met a finding; none where the steps' inputs are not at fault.
pub fn generation_instead(
    card: &InterfaceCard,
    recipe: &GenerationPlan,
    finding: &Finding,
) -> Vec<OtherRecipe> {
    let ran = matches!(
        finding.stage,
        Stage::Forward | Stage::Export | Stage::Execute | Stage::Compare
    );
    if !ran {
        return Vec::new();
    }
    let found = [
        named_in_every_step(recipe, finding),
        with_positions(card, recipe),
    ];
    found
        .into_iter()
        .flatten()
        .filter(|other| other.recipe.plan.validate().is_ok())
        .collect()
}

/// Some classes keep nothing of what an encoder of images made in their cache, and ask for it in every step. The error
/// names what it misses.
fn named_in_every_step(recipe: &GenerationPlan, finding: &Finding) -> Option<OtherRecipe> {
    let mut other = recipe.clone();
    let mut named = Vec::new();
    for (name, feed) in &mut other.feeds {
        if *feed == Feed::Once && names::identifiers(&finding.message).any(|word| word == name) {
            *feed = Feed::Always;
            named.push(format!("`{name}`"));
        }
    }
    (!named.is_empty()).then(|| OtherRecipe {
        recipe: other,
        reason: format!(
            "every step is given {}, which the error names",
            named.join(", ")
        ),
    })
}

/// The library's own generation gives a decoder the places of a step's tokens. Without them some classes count from
/// zero in every step, whatever their cache holds.
fn with_positions(card: &InterfaceCard, recipe: &GenerationPlan) -> Option<OtherRecipe> {
    let plan = &recipe.plan;
    let class = card.class(&plan.class)?;
    if plan.input(POSITIONS).is_some() || plan.input("decoder_input_ids").is_some() {
        return None;
    }
    class.inputs.iter().find(|input| input.name == POSITIONS)?;
    let tokens = plan.input("input_ids")?;
    let Some(Feed::Own { place }) = recipe.feeds.get(&tokens.name).copied() else {
        return None;
    };
    // Places are counted along the last axis of what is drawn.
    if place + 1 != tokens.shape.len() {
        return None;
    }
    let spec = InputSpec {
        name: POSITIONS.into(),
        dtype: Dtype::Int64,
        shape: tokens.shape.clone(),
        values: Values::Range,
        modality: "control".into(),
    };
    let mut other = recipe.clone();
    other.plan.inputs.push(spec);
    other.feeds.insert(POSITIONS.into(), Feed::Own { place });
    Some(OtherRecipe {
        recipe: other,
        reason: "every step is given the places of its tokens".into(),
    })
}

#[cfg(test)]
#[path = "regenerate_tests.rs"]
mod tests;

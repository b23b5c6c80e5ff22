//! Cached generation: what the steps are given, and what they are compared with.
//!
//! The reference is one eager forward over all tokens without a cache. A candidate is given the first tokens, and then
//! one token after the other; the logits of every step must be those of the reference at the step's tokens. A step
//! after the first sees nothing of the earlier tokens but the cache, and the probe draws earlier tokens alone anew:
//! who ignores the cache cannot move as the reference does.

use std::{path::Path, sync::Arc};

use portwright_core::{
    Finding,
    plan::{Feed, GenerationPlan, step_name},
};

use super::{
    inputs::{self, InputError, InputSet},
    outputs::{Outputs, PRECISE_FOLDER},
    reference::{self, Reference, finding},
};
use crate::tensor::{
    SharedTensors,
    axis::{join, narrow},
};

/// The output that is compared.
pub const LOGITS: &str = "logits";

/// The number of decode steps: an artefact of fixed axes takes the example's cache, and not the one that grew by a token.
pub fn decodes(plan: &GenerationPlan, dynamic: bool) -> usize {
    if dynamic { plan.decodes as usize } else { 1 }
}

/// Draws the input sets: those of the plan, where the probe of the tokens leaves the prefill's last and all decoded
/// ones as they are.
pub fn draw(plan: &GenerationPlan, dynamic: bool, seed: u64) -> Result<Vec<InputSet>, InputError> {
    let mut sets = inputs::draw(&plan.plan, dynamic, seed)?;
    let Some((example, others)) = sets.split_first_mut() else {
        return Ok(sets);
    };
    for set in others {
        let Some(input) = &set.probe else { continue };
        let Some(Feed::Own { place }) = plan.feeds.get(input) else {
            continue;
        };
        if let (Some(drawn), Some(kept)) = (set.tensors.get(input), example.tensors.get(input)) {
            let length = drawn.shape.get(*place).copied().unwrap_or(0);
            let first = length.saturating_sub(plan.decodes as usize + 1);
            let both = [
                narrow(drawn, *place, 0, first),
                narrow(kept, *place, first, length),
            ];
            let joined = join(&both, *place);
            set.tensors.insert(input.clone(), Arc::new(joined));
        }
    }
    Ok(sets)
}

/// What each step is given, as sets of the same names: `prefill.input_ids`, `decode.0.input_ids`, …
pub fn steps(plan: &GenerationPlan, sets: &[InputSet], decodes: usize) -> Vec<InputSet> {
    sets.iter()
        .map(|set| InputSet {
            tensors: of_steps(plan, set, decodes),
            ..set.clone()
        })
        .collect()
}

fn of_steps(plan: &GenerationPlan, set: &InputSet, decodes: usize) -> SharedTensors {
    let prefill = prefill(plan, set);
    let mut tensors = SharedTensors::new();
    for step in 0..=decodes {
        let end = prefill + step;
        let start = if step == 0 { 0 } else { end - 1 };
        for (name, tensor) in &set.tensors {
            let given = match plan.feeds.get(name) {
                Some(Feed::Own { place }) => Arc::new(narrow(tensor, *place, start, end)),
                Some(Feed::SoFar { place }) => Arc::new(narrow(tensor, *place, 0, end)),
                Some(Feed::Always) => Arc::clone(tensor),
                Some(Feed::Once) | None if step == 0 => Arc::clone(tensor),
                Some(Feed::Once) | None => continue,
            };
            tensors.insert(format!("{}.{name}", step_name(step)), given);
        }
    }
    tensors
}

/// The tokens of a set that belong to the prefill.
fn prefill(plan: &GenerationPlan, set: &InputSet) -> usize {
    let tokens = set.sizes.get(&plan.axis).copied().unwrap_or(0);
    usize::try_from(tokens.saturating_sub(plan.decodes)).unwrap_or(usize::MAX)
}

/// Reads the reference over all tokens from the work folder of its job, cuts it into steps, and checks that each
/// step's logits vary and move with the earlier tokens. `precise` says whether the job has computed it with less rounding too.
pub fn reference(
    plan: &GenerationPlan,
    work: &Path,
    sets: &[InputSet],
    decodes: usize,
    precise: bool,
) -> Result<Reference, Box<Finding>> {
    let outputs = Outputs::open(work, sets).map_err(reference::unreadable)?;
    let outputs = cut(plan, &outputs, sets, decodes)?;
    let precise = if precise {
        let precise = Outputs::open_in(work, PRECISE_FOLDER, sets);
        let precise = precise.map_err(reference::unreadable)?;
        Some(cut(plan, &precise, sets, decodes)?)
    } else {
        None
    };
    check(plan, outputs, precise, sets)
}

/// Checks a reference that was cut into steps. Beside what holds for every reference, earlier tokens alone must move
/// each step: where another input moves it too, that would hide a model that forgets them.
pub fn check(
    plan: &GenerationPlan,
    cut: Outputs,
    precise: Option<Outputs>,
    sets: &[InputSet],
) -> Result<Reference, Box<Finding>> {
    let reference = Reference::check(cut, precise, sets.to_vec(), &[])?;
    for (name, output) in &reference.floating {
        let enough = output.still();
        let remembers = reference.moves.iter().any(|moves| {
            matches!(plan.feeds.get(&moves.input), Some(Feed::Own { .. }))
                && moves.outputs.get(name).is_some_and(|moved| *moved > enough)
        });
        if !remembers {
            return Err(finding(
                "reference forgets earlier tokens",
                format!("drawing the earlier tokens anew does not move `{name}`"),
                "choose a configuration whose later tokens depend on earlier ones",
            ));
        }
    }
    Ok(reference)
}

/// The reference's logits at the tokens of each step.
pub fn cut(
    plan: &GenerationPlan,
    outputs: &Outputs,
    sets: &[InputSet],
    decodes: usize,
) -> Result<Outputs, Box<Finding>> {
    let mut cut = Vec::with_capacity(sets.len());
    for (set, outputs) in sets.iter().zip(&outputs.0) {
        let Some(logits) = outputs.get(LOGITS) else {
            return Err(finding(
                "reference has no logits",
                format!("`{}` returns no `{LOGITS}`", plan.plan.class),
                "choose a class with a language-model head",
            ));
        };
        let prefill = prefill(plan, set);
        let tokens = prefill + plan.decodes as usize;
        if logits.shape.get(1) != Some(&tokens) {
            return Err(finding(
                "reference logits are not per token",
                format!(
                    "the logits of set `{}` have shape {:?} for {tokens} tokens",
                    set.name, logits.shape
                ),
                "choose a class that returns logits for each token that it is given",
            ));
        }
        let of_step = |step: usize| {
            let end = prefill + step;
            let start = if step == 0 { 0 } else { end - 1 };
            let name = format!("{}.{LOGITS}", step_name(step));
            (name, logits.narrow(1, start, end))
        };
        cut.push((0..=decodes).map(of_step).collect());
    }
    Ok(Outputs(cut))
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;

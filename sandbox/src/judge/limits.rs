//! What a pass leaves open beside what the comparison itself found: what the plan never varies, and which sizes the artefact was
//! not seen with.

use std::collections::BTreeMap;

use portwright_core::{
    Backend, Limit, LimitKind,
    plan::{PortPlan, Values},
};

use super::inputs::{self, InputSet};

/// What the inputs of a plan leave open on every backend.
pub fn of_plan(plan: &PortPlan) -> Vec<Limit> {
    let mut limits = Vec::new();
    for spec in &plan.inputs {
        let given = match &spec.values {
            Values::Constant { value } => format!("{value} everywhere"),
            Values::Listed { .. } => "the listed numbers".to_owned(),
            _ => continue,
        };
        limits.push(Limit::new(
            LimitKind::UnexercisedInput,
            format!("the input `{}` was only ever given {given}", spec.name),
        ));
    }
    limits
}

/// Which sizes an artefact was not seen with.
pub fn of_sizes(sets: &[InputSet], dynamic: bool) -> Option<Limit> {
    let example = sets.first()?;
    let sizes = shown(&example.sizes);
    if !dynamic {
        return Some(Limit::new(
            LimitKind::FixedAxes,
            format!("the artefact takes the sizes of the example alone: {sizes}"),
        ));
    }
    let other = sets.iter().any(|set| set.name == inputs::OTHER);
    (!other && !sizes.is_empty()).then(|| {
        Limit::new(
            LimitKind::Sizes,
            format!("only the sizes of the example were tried: {sizes}"),
        )
    })
}

/// A runtime whose sessions take one combination of sizes each.
pub fn of_sessions(backend: Backend) -> Option<Limit> {
    backend.spec().fixed_sizes.then(|| {
        Limit::new(
            LimitKind::Sizes,
            "a session takes one combination of sizes: one was made for each that was tried"
                .to_owned(),
        )
    })
}

/// A set that the artefact refuses with an error and PyTorch takes.
pub fn of_refusal(set: &InputSet, error: &str) -> Limit {
    let mut error: String = error.lines().next().unwrap_or_default().to_owned();
    if let Some((end, _)) = error.char_indices().nth(MOST_SHOWN) {
        error.truncate(end);
        error.push('…');
    }
    Limit::new(
        LimitKind::Sizes,
        format!(
            "the artefact refuses the sizes {}, which PyTorch takes: {error}",
            shown(&set.sizes)
        ),
    )
}

/// How much of an error stands in a limit, in characters.
const MOST_SHOWN: usize = 160;

fn shown(sizes: &BTreeMap<String, u64>) -> String {
    let each = sizes.iter().map(|(name, size)| format!("{name}={size}"));
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use portwright_core::plan::Dtype;

    use super::*;
    use crate::judge::toy;

    #[test]
    fn an_input_that_is_never_drawn_anew_is_named() {
        assert_eq!(of_plan(&toy::plan()), []);
        let mut plan = toy::plan();
        plan.inputs[1].values = Values::Constant { value: 1.0 };
        plan.inputs[1].dtype = Dtype::Int64;
        let limits = of_plan(&plan);
        assert_eq!(limits.len(), 1);
        assert_eq!(limits[0].kind, LimitKind::UnexercisedInput);
        assert!(limits[0].sentence.contains("`mask` was only ever given 1"));
    }

    #[test]
    fn fixed_axes_are_told_with_their_sizes_and_free_ones_leave_nothing_open() {
        assert_eq!(of_sizes(&toy::sets(true), true), None);
        let fixed = of_sizes(&toy::sets(false), false).unwrap();
        assert_eq!(fixed.kind, LimitKind::FixedAxes);
        assert!(fixed.sentence.contains("batch=2 sequence=8"));
        // Nothing has another size, though the axes are free.
        let untried = of_sizes(&toy::sets(false), true).unwrap();
        assert_eq!(untried.kind, LimitKind::Sizes);
    }

    #[test]
    fn a_refusal_is_told_in_one_line() {
        let sets = toy::sets(true);
        let limit = of_refusal(&sets[1], &format!("{}\nsecond", "x".repeat(500)));
        assert!(limit.sentence.contains("batch=3 sequence=12"));
        assert!(limit.sentence.len() < 300 && !limit.sentence.contains("second"));
    }
}

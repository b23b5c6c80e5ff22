//! An input that reaches a norm over features as it was given: what the code calls values of a wave are then hidden states,
//! with the features on their last axis.

use portwright_core::{
    Finding, PortPlan,
    plan::{Axis, Dim},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};

/// What torch says between the width of a norm and the shape that it was given.
const NORMALISED: &str = "Given normalized_shape=[";
const GIVEN: &str = "but got input of size[";
/// The lengths of an axis that had no name.
const LENGTH: Dim = Dim {
    example: 8,
    other: Some(11),
};

/// The plan whose input of the shape that the norm was given has rows of features.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, wanted) = said.split_once(NORMALISED)?;
    let width = *text::numbers(wanted).first()?;
    let (_, given) = wanted.split_once(GIVEN)?;
    let given = text::numbers(given.split(']').next()?);
    let size = |axis: &Axis| match axis {
        Axis::Fixed(size) => Some(*size),
        Axis::Named(_) => {
            let (name, factor) = axis.named()?;
            Some(plan.dims.get(name)?.example * factor)
        }
    };
    let mut next = plan.clone();
    let mask = next
        .inputs
        .iter()
        .find(|input| input.name == "attention_mask" && input.shape.len() == 2)
        .map(|mask| mask.shape[1].clone());
    let input = next.inputs.iter_mut().find(|input| {
        let own: Option<Vec<u64>> = input.shape.iter().map(size).collect();
        let rank = input.shape.len();
        input.dtype.is_float() && (rank == 2 || rank == 3) && own.is_some_and(|own| own == given)
    })?;
    // A wave has as many samples as it likes; of features there are as many rows as the mask says.
    let own = input.shape[1..]
        .iter()
        .find(|axis| input.shape.len() == 3 && axis.named().is_some());
    let length = own.cloned().or(mask).unwrap_or_else(|| {
        next.dims.entry("sequence".into()).or_insert(LENGTH);
        Axis::Named("sequence".into())
    });
    input.shape = vec![input.shape[0].clone(), length, Axis::Fixed(width)];
    let name = input.name.clone();
    let reason = format!("`{name}` reaches a norm over {width} features as it is");
    let key = format!("inputs.{name}.shape");
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, &key, provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn values_that_reach_a_norm_as_they_are_become_rows_of_features() {
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }
samples = { example = 4000, other = 4400 }

[[inputs]]
name = "input_values"
dtype = "float32"
shape = ["batch", "samples"]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        );
        let finding = fixtures::finding(
            Stage::Forward,
            "Given normalized_shape=[64], expected input with shape [*, 64], but got input of size[2, 4000]",
        );
        let found = candidates(&plan, &finding).unwrap();
        let named = |name: &str| Axis::Named(name.into());
        assert_eq!(
            found.plan.inputs[0].shape,
            [named("batch"), named("sequence"), Axis::Fixed(64)]
        );
    }
}

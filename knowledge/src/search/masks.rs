//! A mask that the forward expands along fewer axes than it was given: one over the pictures of a sample, for every
//! position of its text.

use portwright_core::{
    Finding, PortPlan,
    plan::{Axis, Dtype, InputSpec, Values},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};

/// What torch says where a tensor has more axes than it is expanded to.
const TOO_MANY: &str = "must be greater or equal to the number of dimensions";

pub fn candidates(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (before, _) = said.split_once(TOO_MANY)?;
    // The sizes of the tensor, to which the forward may have added an axis of one.
    let (_, sizes) = before.split_once("{[")?;
    let sizes = text::numbers(sizes.split(']').next()?);
    let size = |axis: &Axis| match axis {
        Axis::Fixed(size) => Some(*size),
        Axis::Named(_) => {
            let (name, factor) = axis.named()?;
            Some(plan.dims.get(name)?.example * factor)
        }
    };
    let sequence = plan.input("input_ids")?.shape.last()?.clone();
    let pictures = pictures(plan).unwrap_or(Axis::Fixed(1));
    let mut next = plan.clone();
    let input = next.inputs.iter_mut().find(|input| {
        let own: Option<Vec<u64>> = input.shape.iter().map(size).collect();
        let meant = own.is_some_and(|own| {
            own == sizes || (sizes.last() == Some(&1) && own == sizes[..sizes.len() - 1])
        });
        input.modality == "control" && input.shape.len() > 3 && meant
    })?;
    let batch = input.shape.first()?.clone();
    input.shape = vec![batch, sequence, pictures];
    input.dtype = Dtype::Int64;
    input.values = Values::Constant { value: 1.0 };
    let name = input.name.clone();
    let reason = "the mask says for every position of the text which pictures it attends to";
    let key = format!("inputs.{name}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The axis of pictures that a sample has before their channels, rows and columns.
fn pictures(plan: &PortPlan) -> Option<Axis> {
    let mut inputs = plan.inputs.iter();
    let stacked = |it: &&InputSpec| it.modality == "image" && it.shape.len() == 5;
    inputs.find(stacked)?.shape.get(1).cloned()
}

/// A mask over pixels that the forward picks pictures by, `features[sample][mask]`: flags, one for each picture of a
/// sample. Whole numbers pick rows instead, of which there is none at one.
pub fn picks(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let code = text::code(finding);
    let line = code.lines().next()?;
    if !said.contains("is out of bounds for dimension") || !line.ends_with("mask]") {
        return None;
    }
    let mut next = plan.clone();
    let input = next.inputs.iter_mut().find(|input| {
        let mask = input.name.starts_with("pixel") && input.name.ends_with("mask");
        mask && input.dtype == Dtype::Int64 && input.shape.len() > 2
    })?;
    input.shape.truncate(2);
    if let Some(pictures) = pictures(plan) {
        input.shape[1] = pictures;
    }
    input.dtype = Dtype::Bool;
    input.values = Values::Constant { value: 1.0 };
    let key = format!("inputs.{}.shape", input.name);
    let reason = "the mask says which pictures of a sample are there";
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_mask_that_picks_pictures_is_a_flag_for_each() {
        let plan = fixtures::pictures(
            r#"["batch", 1, 3, 32, 32]"#,
            r#"[[inputs]]
name = "pixel_attention_mask"
dtype = "int64"
shape = ["batch", 2, 32, 32]
modality = "control"
values = { kind = "listed", values = [1] }
"#,
        );
        let said = "index 1 is out of bounds for dimension 0 with size 1";
        let code = "there = features[sample][mask]";
        let finding = fixtures::met(Stage::Forward, "IndexError", said, code);
        let next = picks(&plan, &finding).unwrap().plan;
        let mask = next.input("pixel_attention_mask").unwrap();
        assert_eq!(mask.shape[1..], [Axis::Fixed(1)]);
        assert_eq!(mask.dtype, Dtype::Bool);
        assert!(next.validate().is_ok());
    }

    #[test]
    fn a_mask_with_too_many_axes_is_one_of_pictures_for_every_position() {
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 11 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "integer", low = 24, high = 128 }

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 2, 3, 32, 32]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "picture_mask"
dtype = "int64"
shape = ["batch", 1, 4, 4]
modality = "control"
values = { kind = "listed", values = [1] }
"#,
        );
        let finding = fixtures::finding(
            Stage::Forward,
            "expand(torch.LongTensor{[2, 1, 4, 4, 1]}, size=[-1, -1, -1, 17]): the number of sizes provided (4) must be greater or equal to the number of dimensions in the tensor (5)",
        );
        let found = candidates(&plan, &finding).unwrap();
        let mask = found.plan.input("picture_mask").unwrap();
        assert_eq!(
            serde_json::to_value(&mask.shape).unwrap(),
            serde_json::json!(["batch", "sequence", 2])
        );
        assert!(found.plan.validate().is_ok());
    }
}

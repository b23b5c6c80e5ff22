//! The bins of a sound, where convolutions carry them along to a layer whose width was counted from another number of bins:
//! what that layer is given and what it was made for stand in the proportion of the two.

use portwright_core::{Finding, PortPlan, plan::Axis};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};

/// Fewer bins leave nothing after two convolutions that halve them.
const FEWEST: u64 = 8;

/// Plans whose sound has as many bins as make the width that the layer was made for.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, shapes) = said.split_once("shapes cannot be multiplied (")?;
    let [_, given, made, ..] = text::numbers(shapes)[..] else {
        return None;
    };
    let code = text::code(finding);
    let mut next = plan.clone();
    let sound = next
        .inputs
        .iter_mut()
        .find(|input| input.modality == "audio" && text::names(&code, &input.name))?;
    let name = sound.name.clone();
    // The frames of a sound have a name; what is fixed beside them are the bins.
    let bins = sound.shape.iter_mut().rev().find_map(|axis| match axis {
        Axis::Fixed(size) => Some(size),
        Axis::Named(_) => None,
    })?;
    // An input that ends with what the layer is given goes there as it is.
    let scaled = (*bins * made).checked_div(given)?;
    if given == made || *bins == given || !(*bins * made).is_multiple_of(given) || scaled < FEWEST {
        return None;
    }
    let reason = format!("{bins} bins become {given} where {made} are wanted");
    *bins = scaled;
    let key = format!("inputs.{name}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature, Stage,
        job::{Frame, JobError},
    };

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn bins_that_convolutions_carry_along_become_as_many_as_the_layer_was_made_for() {
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }
frames = { example = 64, other = 96 }

[[inputs]]
name = "input_features"
dtype = "float32"
shape = ["batch", "frames", 128]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        );
        let message = "mat1 and mat2 shapes cannot be multiplied (32x256 and 64x64)";
        let frame = Frame {
            file: "any.py".into(),
            line: 1,
            function: "forward".into(),
            code: "self.convolutions(input_features, mask)".into(),
            ..portwright_core::job::Frame::default()
        };
        let finding = |message: &str| Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: message.into(),
            error: Some(JobError {
                message: message.into(),
                frames: vec![frame.clone()],
                ..JobError::default()
            }),
            hint: None,
        };
        let found = candidates(&plan, &finding(message)).unwrap();
        assert_eq!(found.plan.inputs[0].shape[2], Axis::Fixed(32));
        let whole = "mat1 and mat2 shapes cannot be multiplied (32x128 and 64x64)";
        assert!(candidates(&plan, &finding(whole)).is_none());
    }
}

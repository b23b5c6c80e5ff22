//! The axes of an input that the first layer it meets states: the width that a normalisation was made for, and the
//! channels that a convolution was made for, each beside the sizes that the layer was given.

use portwright_core::{
    Finding, PortPlan,
    plan::{Axis, Dim, InputSpec},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};

/// Rows of a sequence that a plan has no length for yet.
const ROWS: Dim = Dim {
    example: 8,
    other: Some(11),
};
/// Frames of a sound.
const FRAMES: Dim = Dim {
    example: 64,
    other: Some(96),
};
/// Samples of a wave, long enough for the strides of an encoder to leave several frames.
const SAMPLES: Dim = Dim {
    example: 4000,
    other: Some(5000),
};

/// The side of a map of features.
const SIDE: u64 = 8;

/// Rows of the width that a normalisation states, where what it was given are an input's own sizes: nothing has changed
/// the input before, so it is rows of hidden states and neither a wave nor a spectrogram with its bins first.
pub fn rows(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("normalized_shape=[")?;
    let width = *text::numbers(after.split(']').next()?).first()?;
    let given = listed(after, "got input of size[")?;
    let mut next = plan.clone();
    let input = given_as(&mut next, plan, &given)?;
    let name = input.name.clone();
    let (before, shape) = (input.shape.clone(), &mut input.shape);
    let (batch, length) = match before.as_slice() {
        [batch, Axis::Named(_)] => (batch, ("sequence", ROWS)),
        [batch, Axis::Fixed(_), length @ Axis::Named(_)]
        | [batch, length @ Axis::Named(_), Axis::Fixed(_)] => {
            *shape = vec![batch.clone(), length.clone(), Axis::Fixed(width)];
            return changed(next, plan, finding, &name, width);
        }
        [batch, Axis::Fixed(_), Axis::Fixed(_)] => (batch, ("frames", FRAMES)),
        _ => return None,
    };
    let (axis, dim) = length;
    *shape = vec![batch.clone(), Axis::Named(axis.into()), Axis::Fixed(width)];
    next.dims.entry(axis.into()).or_insert(dim);
    // What hides parts of this input is as long as it is.
    let old: Vec<Axis> = before[1..].to_vec();
    let masks = next.inputs.iter_mut().filter(|other| {
        let of = other.name.strip_suffix("_mask");
        of == Some(name.as_str()) || other.name == "attention_mask"
    });
    for mask in masks {
        if let [_, length] = mask.shape.as_mut_slice()
            && old.contains(length)
        {
            *length = Axis::Named(axis.into());
        }
    }
    next.forget_unused_dims();
    changed(next, plan, finding, &name, width)
}

/// An input with the channels that a convolution states before its positions, where what the convolution was given is an
/// input's length in their place. One channel over time is a wave.
pub fn channels(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (before, after) = said.split_once(" channels, but got ")?;
    let given = *text::numbers(after).first()?;
    let wanted = *text::numbers(before).last()?;
    let sizes = listed(before, "expected input[")?;
    if sizes.len() != 3 || sizes.get(1) != Some(&given) || wanted == given {
        return None;
    }
    let mut next = plan.clone();
    let input = next.inputs.iter_mut().find(|input| {
        let length = input.shape.get(1).and_then(|axis| size(plan, axis));
        let rows = matches!(input.shape.as_slice(), [_, Axis::Named(_), Axis::Fixed(_)]);
        input.dtype.is_float() && rows && length == Some(given)
    })?;
    let name = input.name.clone();
    let time = if wanted == 1 {
        next.dims.entry("samples".into()).or_insert(SAMPLES);
        Axis::Named("samples".into())
    } else {
        input.shape[1].clone()
    };
    input.shape = vec![input.shape[0].clone(), Axis::Fixed(wanted), time];
    next.forget_unused_dims();
    let reason = format!("a convolution wants {wanted} channels before the positions of `{name}`");
    let key = format!("inputs.{name}.shape");
    (next != *plan).then(|| Candidate::setting(next, &key, searched(STATED, finding, reason)))
}

/// Maps of as many channels as a convolution over two axes wants, where what it was given as one map without a batch are
/// an input's own sizes.
pub fn maps(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let weight = listed(&said, "weight of size [")?;
    let given = listed(&said, "expected input[")?;
    let ([_, channels, _, _], [1, rows @ ..]) = (weight.as_slice(), given.as_slice()) else {
        return None;
    };
    let mut next = plan.clone();
    let input = given_as(&mut next, plan, rows)?;
    let batch = input.shape.first()?.clone();
    let name = input.name.clone();
    input.shape = vec![
        batch,
        Axis::Fixed(*channels),
        Axis::Fixed(SIDE),
        Axis::Fixed(SIDE),
    ];
    next.forget_unused_dims();
    let reason =
        format!("a convolution over two axes takes `{name}` as maps of {channels} channels");
    let key = format!("inputs.{name}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

fn changed(
    next: PortPlan,
    plan: &PortPlan,
    finding: &Finding,
    name: &str,
    width: u64,
) -> Option<Candidate> {
    let reason = format!("the first layer that reads `{name}` takes rows of {width}");
    let key = format!("inputs.{name}.shape");
    (next != *plan).then(|| Candidate::setting(next, &key, searched(STATED, finding, reason)))
}

/// The real-valued input whose sizes are these.
fn given_as<'a>(
    next: &'a mut PortPlan,
    plan: &PortPlan,
    sizes: &[u64],
) -> Option<&'a mut InputSpec> {
    next.inputs.iter_mut().find(|input| {
        let own: Option<Vec<u64>> = input.shape.iter().map(|axis| size(plan, axis)).collect();
        input.dtype.is_float() && own.as_deref() == Some(sizes)
    })
}

/// The size that an axis has in the example.
pub(super) fn size(plan: &PortPlan, axis: &Axis) -> Option<u64> {
    match axis {
        Axis::Fixed(size) => Some(*size),
        Axis::Named(_) => {
            let (name, factor) = axis.named()?;
            plan.dims.get(name)?.example.checked_mul(factor)
        }
    }
}

/// The numbers of the list that begins with these words.
fn listed(said: &str, words: &str) -> Option<Vec<u64>> {
    let (_, list) = said.split_once(words)?;
    Some(text::numbers(list.split(']').next()?))
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    fn plan(shape: &str) -> PortPlan {
        fixtures::plan(&format!(
            r#"
[dims]
batch = {{ example = 2, other = 3 }}
sequence = {{ example = 8, other = 11 }}
samples = {{ example = 4000, other = 5000 }}

[[inputs]]
name = "sound"
dtype = "float32"
shape = {shape}
modality = "audio"
values = {{ kind = "normal", mean = 0.0, std = 1.0 }}

[[inputs]]
name = "sound_mask"
dtype = "int64"
shape = ["batch", 96]
modality = "control"
values = {{ kind = "mask" }}
"#
        ))
    }

    fn shapes(plan: &PortPlan) -> serde_json::Value {
        let shapes: Vec<_> = plan.inputs.iter().map(|input| &input.shape).collect();
        serde_json::to_value(shapes).unwrap()
    }

    fn width(plan: &PortPlan, given: &str) -> Option<PortPlan> {
        let said = format!(
            "Given normalized_shape=[64], expected input with shape [*, 64], but got input of size[{given}]"
        );
        Some(rows(plan, &fixtures::finding(Stage::Forward, said))?.plan)
    }

    #[test]
    fn what_a_convolution_over_two_axes_reads_first_is_maps() {
        let said = |rank: &str| {
            let said = format!(
                "Given groups=1, weight of size [32, 16, {rank}], expected input[1, 2, 8, 64] to have 16 channels, but \
                 got 2 channels instead"
            );
            maps(
                &plan(r#"["batch", "sequence", 64]"#),
                &fixtures::finding(Stage::Forward, said),
            )
        };
        let found = said("1, 1").unwrap().plan;
        assert_eq!(shapes(&found)[0], serde_json::json!(["batch", 16, 8, 8]));
        assert!(said("1").is_none());
    }

    #[test]
    fn what_a_normalisation_reads_first_is_rows_of_its_width() {
        let wave = width(&plan(r#"["batch", "samples"]"#), "2, 4000").unwrap();
        assert_eq!(
            shapes(&wave)[0],
            serde_json::json!(["batch", "sequence", 64])
        );
        assert!(!wave.dims.contains_key("samples"));
        let bins = width(&plan(r#"["batch", 80, 96]"#), "2, 80, 96").unwrap();
        let rows = serde_json::json!([["batch", "frames", 64], ["batch", "frames"]]);
        assert_eq!(shapes(&bins), rows);
        let turned = width(&plan(r#"["batch", 80, "samples"]"#), "2, 80, 4000").unwrap();
        assert_eq!(
            shapes(&turned)[0],
            serde_json::json!(["batch", "samples", 64])
        );
        assert!(width(&plan(r#"["batch", "samples"]"#), "2, 64, 8").is_none());
    }

    #[test]
    fn what_a_convolution_reads_has_its_channels_before_the_positions() {
        let said = |wanted: u64, given: u64| {
            fixtures::finding(
                Stage::Forward,
                format!(
                    "Given groups=1, weight of size [16, {wanted}, 7], expected input[2, {given}, 70] to have {wanted} channels, but got {given} channels instead"
                ),
            )
        };
        let given = plan(r#"["batch", "sequence", 64]"#);
        let wave = channels(&given, &said(1, 8)).unwrap().plan;
        assert_eq!(shapes(&wave)[0], serde_json::json!(["batch", 1, "samples"]));
        let more = channels(&given, &said(32, 8)).unwrap().plan;
        assert_eq!(
            shapes(&more)[0],
            serde_json::json!(["batch", 32, "sequence"])
        );
        assert!(channels(&given, &said(32, 9)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*(normalized_shape=\\[| channels, but got )\\PC*") {
            let finding = fixtures::finding(Stage::Forward, said);
            let _ = (rows(&fixtures::features(), &finding), channels(&fixtures::features(), &finding));
        }
    }
}

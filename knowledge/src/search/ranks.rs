//! The number of an input's axes, which an error counts.

use portwright_core::{Finding, PortPlan, plan::Axis};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::senses::placeholders::count;

/// Colours of a pixel.
const CHANNELS: u64 = 3;

/// Other ranks, where the error is about nothing else.
pub fn rank(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let flat = plan
        .inputs
        .iter()
        .find(|input| input.dtype.is_float())
        .is_some_and(|input| {
            input.shape.len() == 2 || (input.shape.len() == 3 && input.modality == "audio")
        });
    let plain = ["unpack", "unbatched", "mono", "5D", "5-D"]
        .iter()
        .any(|words| said.contains(words));
    if plain || (flat && said.contains("channels")) {
        ranks(plan, finding, &said)
    } else {
        Vec::new()
    }
}

/// Rows for each codebook as an axis of their own at the end, where the model cannot unfold them by itself.
pub fn unfolded(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let mut next = plan.clone();
    let input = next.inputs.iter_mut().find(|input| {
        let rows = input.shape.first().and_then(Axis::named);
        rows.is_some_and(|(_, factor)| factor > 1)
    })?;
    let (name, rows) = input.shape.first()?.named()?;
    let (first, last) = (Axis::Named(name.to_owned()), Axis::Fixed(rows));
    input.shape[0] = first;
    input.shape.push(last);
    let key = format!("inputs.{}.shape", input.name);
    let reason = "the rows of one element become an axis of their own";
    Some(Candidate::setting(
        next,
        &key,
        searched("rank", finding, reason),
    ))
}

/// Another rank for the first real-valued input: a frame axis more, a channel axis more, or one axis less.
pub fn ranks(plan: &PortPlan, finding: &Finding, said: &str) -> Vec<Candidate> {
    let about_rank = [
        "unpack",
        "dimension",
        "Dimension",
        "unbatched",
        "3D",
        "4D",
        "5D",
        "dims",
        "shape of the mask",
        "channels",
        "mono",
    ]
    .iter()
    .any(|word| said.contains(word));
    // The line that fails may name the input; otherwise the first is the likeliest.
    let code = text::code(finding);
    let line = code.lines().next().unwrap_or_default();
    let mut inputs = plan.inputs.iter();
    let named = inputs.position(|it| it.dtype.is_float() && text::names(line, &it.name));
    let first = || plan.inputs.iter().position(|it| it.dtype.is_float());
    let Some(position) = named.or_else(first) else {
        return Vec::new();
    };
    if !about_rank {
        return Vec::new();
    }
    let shape = &plan.inputs[position].shape;
    // The text has placeholders for one image of each sample.
    let one = count(plan, &plan.inputs[position].modality).map(|_| 1);
    let frames = ["num_frames", "frames_per_clip", "num_image_tokens"]
        .iter()
        .find_map(|name| plan.config.get(*name).and_then(Value::as_u64))
        .or(one)
        .unwrap_or(2);
    let mut shapes: Vec<(Vec<Axis>, &str)> = Vec::new();
    if let Some((name, factor)) = shape.first().and_then(Axis::named).filter(|(_, f)| *f > 1) {
        let mut apart = vec![Axis::Named(name.to_owned()), Axis::Fixed(factor)];
        apart.extend(shape[1..].iter().cloned());
        shapes.push((apart, "the parts of each sample apart"));
    }
    let mut more = [
        (1, frames, "frames"),
        (1, 1, "a channel"),
        (shape.len(), 2, "a pair"),
    ];
    // Sound has channels more often than frames.
    if plan.inputs[position].modality == "audio" {
        more.swap(0, 1);
    }
    for (place, size, why) in more {
        if shape.len() < 6 && place <= shape.len() {
            let mut more = shape.clone();
            more.insert(place, Axis::Fixed(size));
            shapes.push((more, why));
        }
    }
    if let [rows, Axis::Fixed(width)] = shape.as_slice()
        && let Some(patch) = patch_of(*width)
    {
        let patch = Axis::Fixed(patch);
        let whole = vec![rows.clone(), Axis::Fixed(CHANNELS), patch.clone(), patch];
        shapes.insert(0, (whole, "patches that keep their rows and columns"));
    }
    if shape.len() == 3 {
        shapes.insert(
            0,
            (
                vec![shape[0].clone(), shape[2].clone(), shape[1].clone()],
                "axes the other way round",
            ),
        );
    }
    if shape.len() > 2 {
        let mut fewer = shape.clone();
        fewer.remove(1);
        shapes.push((fewer, "one axis less"));
    }
    if said.contains(&format!(
        "too many values to unpack (expected {})",
        shape.len() - 1
    )) && let Some(folded) = folded(shape)
    {
        shapes.insert(0, (folded, "the parts of all samples are rows"));
    }
    shapes
        .into_iter()
        .map(|(shape, why)| {
            let mut next = plan.clone();
            next.inputs[position].shape = shape;
            let key = format!("inputs.{}.shape", next.inputs[position].name);
            let reason = format!("the error is about an axis: {why}");
            Candidate::setting(next, &key, searched("rank", finding, reason))
        })
        .collect()
}

/// The shape with its second axis, of a fixed size, folded into the first.
fn folded(shape: &[Axis]) -> Option<Vec<Axis>> {
    let [rows, Axis::Fixed(parts), rest @ ..] = shape else {
        return None;
    };
    let (name, factor) = rows.named()?;
    let rows = Axis::Named(format!("{}*{name}", parts.checked_mul(factor)?));
    Some(std::iter::once(rows).chain(rest.iter().cloned()).collect())
}

/// The side of a square patch whose pixels fill a row of this width.
fn patch_of(width: u64) -> Option<u64> {
    (2..=64).find(|side| CHANNELS * side * side == width)
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn frames_that_no_axis_is_left_for_become_rows() {
        let plan = fixtures::pictures(r#"["batch", 8, 3, 32, 32]"#, "");
        let shape = |said: &str| {
            let finding = fixtures::met(
                Stage::Forward,
                "ValueError",
                said,
                "n, _, h, w = pixel_values.shape",
            );
            let found = rank(&plan, &finding);
            serde_json::to_value(&found[0].plan.inputs[0].shape).unwrap()
        };
        let folded = serde_json::json!(["8*batch", 3, 32, 32]);
        assert_eq!(shape("too many values to unpack (expected 4)"), folded);
        assert_ne!(shape("too many values to unpack (expected 3)"), folded);
    }

    #[test]
    fn the_input_that_the_failing_line_names_gets_another_rank_and_one_image_for_its_placeholders()
    {
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 24, other = 27 }

[[inputs]]
name = "action_embeds"
dtype = "float32"
shape = ["batch", "sequence", 64]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3, 32, 32]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "tokens", low = 24, high = 99, runs = [{ id = 3, at = 1, count = 4, marks = "image" }] }
"#,
        );
        let said = "not enough values to unpack (expected 4, got 3)";
        let code = "_, _, height, width = pixel_values.shape";
        let finding = fixtures::met(Stage::Forward, "ValueError", said, code);
        let found = rank(&plan, &finding);
        let shape = &found[0].plan.input("pixel_values").unwrap().shape;
        assert_eq!(shape[..2], [Axis::Named("batch".into()), Axis::Fixed(1)]);
        assert_eq!(shape.len(), 5);
    }

    #[test]
    fn the_width_of_a_row_tells_its_patch() {
        assert_eq!(patch_of(192), Some(8));
        assert_eq!(patch_of(64), None);
    }
}

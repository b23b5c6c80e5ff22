//! The axes of an input as the failing code names them: `batch, tiles, channels, height, width = pixels.shape`.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Axis, InputSpec},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::{get, join, nodes};

/// Colours of a pixel.
const CHANNELS: u64 = 3;

/// The input whose shape could not be unpacked, with the axes that the code unpacks.
pub fn unpacked(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains("to unpack") {
        return None;
    }
    let frame = finding.error.as_ref()?.frames.last()?;
    let (names, shape) = frame.code.split_once(" = ")?;
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let of = shape.trim().strip_suffix(".shape")?;
    let place = plan.inputs.iter().position(|input| input.name == of)?;
    let input = plan.inputs.get(place)?;
    let last = names.len() - 1;
    let axes: Option<Vec<Axis>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| axis(card, plan, input, name, last - at))
        .collect();
    let mut next = plan.clone();
    next.inputs[place].shape = axes?;
    let reason = format!("the code unpacks the axes of `{of}`: {}", names.join(", "));
    let key = format!("inputs.{of}.shape");
    (next != *plan).then(|| Candidate::setting(next, &key, searched(STATED, finding, reason)))
}

/// Rows of flat patches instead of whole images, where the first layer takes rows that are as wide as a patch has values.
pub fn patches(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, shapes) = said.split_once("shapes cannot be multiplied (")?;
    let [_, is, width, ..] = text::numbers(shapes)[..] else {
        return None;
    };
    let side = number(card, plan, "patch_size").filter(|side| *side > 0)?;
    let mut next = plan.clone();
    let image = next
        .inputs
        .iter_mut()
        .find(|input| input.shape.len() == 4 && input.shape.last() == Some(&Axis::Fixed(is)))?;
    let [
        batch,
        Axis::Fixed(channels),
        Axis::Fixed(height),
        Axis::Fixed(columns),
    ] = image.shape.as_slice()
    else {
        return None;
    };
    if channels * side * side != width {
        return None;
    }
    let rows = (height / side) * (columns / side);
    image.shape = vec![batch.clone(), Axis::Fixed(rows), Axis::Fixed(width)];
    let key = format!("inputs.{}.shape", image.name);
    let reason =
        format!("the first layer takes rows of {width}, which are the values of one patch");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The axis of this name: one that the input has already, a size that the configuration bounds, or one of its kind.
fn axis(
    card: &InterfaceCard,
    plan: &PortPlan,
    input: &InputSpec,
    name: &str,
    back: usize,
) -> Option<Axis> {
    let from_end = |back: usize| input.shape.iter().rev().nth(back).cloned();
    let word = |part: &str| name.contains(part);
    if name.starts_with('*') {
        return None;
    }
    Some(if word("batch") || matches!(name, "bsz" | "bs" | "b") {
        Axis::Named("batch".into())
    } else if word("height") {
        from_end(1)?
    } else if word("width") {
        from_end(0)?
    } else if word("channel") {
        Axis::Fixed(number(card, plan, "num_channels").unwrap_or(CHANNELS))
    } else if name == "_" {
        from_end(back).unwrap_or(Axis::Fixed(1))
    } else {
        let most = number(card, plan, &format!("max_{name}"));
        Axis::Fixed(most.or_else(|| number(card, plan, name)).unwrap_or(1))
    })
}

/// The number in a field of this name, of the outermost configuration that has one.
fn number(card: &InterfaceCard, plan: &PortPlan, name: &str) -> Option<u64> {
    nodes(card).iter().find_map(|node| {
        let field = node.field(name)?;
        let path = join(&node.path, &field.name);
        get(&plan.config, &path).unwrap_or(&field.default).as_u64()
    })
}

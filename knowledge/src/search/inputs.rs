//! Changes of the inputs: one that the error asks for, another size or rank, and what general causes suggest.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Axis, Dim},
};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::more_input;

/// Lengths that suit models which work in chunks or blocks, or halve a sequence several times.
const LENGTHS: [u64; 3] = [16, 64, 256];

/// Optional inputs whose names stand in the error, or in the line of code that failed, are added.
pub fn named(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let Some(class) = card.class(&plan.class) else {
        return Vec::new();
    };
    let said = text::said(finding);
    let code = text::code(finding);
    let wanted = |text: &str| -> Vec<&str> {
        class
            .inputs
            .iter()
            .map(|input| input.name.as_str())
            .filter(|name| plan.input(name).is_none() && is_tensor(name))
            .filter(|name| text::names(text, name))
            .collect()
    };
    let mut names = wanted(&said);
    for name in wanted(&code) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
        .into_iter()
        .take(4)
        .filter_map(|name| {
            let next = more_input(card, plan, name)?;
            let reason = format!("the error asks for `{name}`");
            let provenance = searched("inputs", finding, reason);
            Some(Candidate::setting(
                next,
                &format!("inputs.{name}"),
                provenance,
            ))
        })
        .collect()
}

/// Flags, caches and ready-made embeddings are never given.
fn is_tensor(name: &str) -> bool {
    const NOT: [&str; 14] = [
        "output_",
        "return_",
        "use_",
        "past_key",
        "cache",
        "labels",
        "embeds",
        "head_mask",
        "encoder_outputs",
        "interpolate",
        "logits_to_keep",
        "loss",
        "inference",
        "_layer",
    ];
    !NOT.iter().any(|part| name.contains(part))
}

/// Axes that hold a number of the error take the number that it is set against, and inputs get the rank that it
/// expects.
pub fn sizes(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let mut found = Vec::new();
    // A mask over samples and parts against a tensor of parts alone: the sizes cannot agree before the ranks do.
    if said.contains("shape of the mask") {
        found.extend(ranks(plan, finding, &said));
    }
    for (is, should) in text::pairs(&said) {
        let mut next = plan.clone();
        for axis in next.inputs.iter_mut().flat_map(|input| &mut input.shape) {
            if *axis == Axis::Fixed(is) {
                *axis = Axis::Fixed(should);
            }
        }
        for dim in next.dims.values_mut().filter(|dim| dim.example == is) {
            *dim = Dim {
                example: should,
                other: None,
            };
        }
        if next != *plan && found.len() < 6 {
            let reason = format!("the error sets {is} against {should}");
            let provenance = searched("sizes", finding, reason);
            found.push(Candidate::setting(next, "inputs.shape", provenance));
        }
    }
    found.extend(ranks(plan, finding, &said));
    found
}

/// Another rank for the first real-valued input: a frame axis more, a channel axis more, or one axis less.
fn ranks(plan: &PortPlan, finding: &Finding, said: &str) -> Vec<Candidate> {
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
    ]
    .iter()
    .any(|word| said.contains(word));
    let Some(position) = plan.inputs.iter().position(|input| input.dtype.is_float()) else {
        return Vec::new();
    };
    if !about_rank {
        return Vec::new();
    }
    let shape = &plan.inputs[position].shape;
    let frames = ["num_frames", "frames_per_clip", "num_image_tokens"]
        .iter()
        .find_map(|name| plan.config.get(*name).and_then(Value::as_u64))
        .unwrap_or(2);
    let mut shapes: Vec<(Vec<Axis>, &str)> = Vec::new();
    if let Some((name, factor)) = shape.first().and_then(Axis::named).filter(|(_, f)| *f > 1) {
        let mut apart = vec![Axis::Named(name.to_owned()), Axis::Fixed(factor)];
        apart.extend(shape[1..].iter().cloned());
        shapes.push((apart, "the parts of each sample apart"));
    }
    for (place, size, why) in [
        (1, frames, "frames"),
        (1, 1, "a channel"),
        (shape.len(), 2, "a pair"),
    ] {
        if shape.len() < 6 && place <= shape.len() {
            let mut more = shape.clone();
            more.insert(place, Axis::Fixed(size));
            shapes.push((more, why));
        }
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

/// What may help without a name in the error: no control inputs, other lengths, one size only, the missing required
/// inputs.
pub fn general(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = Vec::new();
    let required = |name: &str| {
        card.class(&plan.class).is_some_and(|class| {
            class
                .inputs
                .iter()
                .any(|input| input.name == name && input.required)
        })
    };
    for input in plan
        .inputs
        .iter()
        .filter(|input| input.modality == "control")
    {
        if required(&input.name) || plan.inputs.len() < 2 {
            continue;
        }
        let mut next = plan.clone();
        next.inputs.retain(|other| other.name != input.name);
        let key = format!("inputs.{}", input.name);
        let reason = "an optional input may be what this configuration cannot take";
        found.push(Candidate::setting(
            next,
            &key,
            searched("inputs", finding, reason),
        ));
    }
    if plan.dims.values().any(|dim| dim.other.is_some()) {
        let mut next = plan.clone();
        for dim in next.dims.values_mut() {
            dim.other = None;
        }
        let reason = "no other size may be valid";
        found.push(Candidate::setting(
            next,
            "dims",
            searched("dims", finding, reason),
        ));
    }
    for length in LENGTHS {
        for name in ["sequence", "frames"] {
            let mut next = plan.clone();
            if let Some(dim) = next.dims.get_mut(name) {
                *dim = Dim {
                    example: length,
                    other: None,
                };
                let key = format!("dims.{name}");
                let reason = "models that work in blocks want whole blocks";
                found.push(Candidate::setting(
                    next,
                    &key,
                    searched("dims", finding, reason),
                ));
            }
        }
    }
    found
}

//! Changes of the inputs: one that the error asks for, another size or rank, and what general causes suggest.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Axis, Dim, InputSpec, Values},
};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::more_input;

/// Lengths that suit models which work in chunks or blocks, or halve a sequence several times.
const LENGTHS: [u64; 3] = [16, 64, 256];
/// Colours of a pixel.
const CHANNELS: u64 = 3;

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
    let told = names.len();
    for name in wanted(&code) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // Ready-made embeddings only where the code stumbles over their absence.
    let missing = said.contains("NoneType") || said.contains("has no attribute 'embed");
    if missing {
        let embeds = class.inputs.iter().map(|input| input.name.as_str());
        names.extend(embeds.filter(|name| {
            name.contains("embeds") && plan.input(name).is_none() && text::names(&code, name)
        }));
        // Deep inside a decoder the states it attends to have another name.
        let attends = ["cross_att", "encoder", "key_value"]
            .iter()
            .any(|part| code.contains(part));
        let states = class.inputs.iter().map(|input| input.name.as_str());
        names.extend(states.filter(|name| {
            let deep = ["encoder_hidden_states", "cross_attention_states"].contains(name);
            ((deep && attends) || *name == "last_hidden_state") && plan.input(name).is_none()
        }));
    }
    let all = (names.len() > 1)
        .then(|| together(card, plan, finding, &names))
        .flatten();
    names
        .into_iter()
        .enumerate()
        .take(4)
        .filter_map(|(place, name)| {
            let mut next = more_input(card, plan, name)?;
            if name == "inputs_embeds" {
                // The two are given one instead of the other.
                next.inputs.retain(|input| input.name != "input_ids");
            }
            let reason = format!("the error asks for `{name}`");
            let sure = place < told
                || (missing && (text::names(&code, name) || name.ends_with("_states")));
            let axis = if sure { STATED } else { "inputs" };
            let provenance = searched(axis, finding, reason);
            Some(Candidate::setting(
                next,
                &format!("inputs.{name}"),
                provenance,
            ))
        })
        .chain(all)
        .collect()
}

/// All inputs of these names at once: a class that defaults each of them may need them all the same.
fn together(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    names: &[&str],
) -> Option<Candidate> {
    let mut next = plan.clone();
    for name in names {
        next = more_input(card, &next, name)?;
    }
    let reason = format!("the error may ask for `{}`", names.join("`, `"));
    let key = format!("inputs.{}", names.join(","));
    Some(Candidate::setting(
        next,
        &key,
        searched("inputs", finding, reason),
    ))
}

/// Flags, caches and ready-made embeddings are never given.
pub fn is_tensor(name: &str) -> bool {
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
        found.extend(last_axis(plan, finding, is, should, "sizes").filter(|_| found.len() < 8));
        found.extend(one_axis(plan, finding, is, should));
    }
    if ["too small", "smaller than", "greater than actual input"]
        .iter()
        .any(|words| said.contains(words))
    {
        let mut larger = larger_images(plan, finding);
        larger.append(&mut found);
        found = larger;
    }
    found.extend(ranks(plan, finding, &said));
    found
}

/// A drawn mask that moves nothing is given whole: the model may need it, and round its lengths up to parts of which even
/// half a row has all.
pub fn whole_mask(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let name = finding
        .signature
        .0
        .strip_prefix("reference ignores input ")?;
    let mut next = plan.clone();
    let mask = next.inputs.iter_mut().find(|input| input.name == name)?;
    if mask.values != Values::Mask {
        return None;
    }
    mask.values = Values::Constant { value: 1.0 };
    let reason = format!("`{name}` hides too little to change anything");
    let key = format!("inputs.{name}.values");
    let provenance = searched("inputs", finding, reason);
    Some(Candidate::setting(next, &key, provenance))
}

/// Ids with an axis of codebooks more, of the size that the error sets against a length.
pub fn codebooks(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if said.contains("view size is not compatible") {
        return unfolded(plan, finding).into_iter().collect();
    }
    let ids = plan
        .inputs
        .iter()
        .position(|input| input.modality == "text" && input.shape.len() == 2);
    let (Some(ids), true) = (ids, said.contains("must match the size")) else {
        return Vec::new();
    };
    let numbers = text::numbers(&said);
    let (Some(is), Some(should)) = (numbers.first(), numbers.get(1)) else {
        return Vec::new();
    };
    let length = plan.inputs[ids].shape[1]
        .named()
        .and_then(|(name, _)| plan.dims.get(name))
        .map(|dim| dim.example);
    if length != Some(*is) {
        return Vec::new();
    }
    let mut next = plan.clone();
    next.inputs[ids].shape.push(Axis::Fixed(*should));
    let key = format!("inputs.{}.shape", next.inputs[ids].name);
    let reason = "the ids are added to something with one entry for each codebook";
    vec![Candidate::setting(
        next,
        &key,
        searched("rank", finding, reason),
    )]
}

/// The width that the first layer wants, where the error says which width it was given: the last axis of an input.
pub fn width(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    const PRODUCT: &str = "shapes cannot be multiplied (";
    const MATCH: &str = "size of tensor a (";
    const BATCHES: &str = "dimensions of batch2 tensor to be: [";
    let said = text::said(finding);
    let after = |words: &str| said.split_once(words).map(|(_, rest)| text::numbers(rest));
    let (is, should) = match (
        after(PRODUCT).as_deref(),
        after(MATCH).as_deref(),
        after(BATCHES).as_deref(),
    ) {
        (Some([_, is, should, ..]), _, _)
        | (None, Some([is, should, ..]), _)
        | (None, None, Some([_, is, _, should, ..])) => (*is, *should),
        _ => return None,
    };
    // A sum has no order: either of its two may be the input.
    let sum = after(PRODUCT).is_none() && after(MATCH).is_some();
    // Nothing else than this axis can be meant where it alone has the size.
    let ends = |input: &&InputSpec| input.shape.last() == Some(&Axis::Fixed(is));
    let sure = plan.inputs.iter().filter(ends).count() == 1;
    let axis = if sure { STATED } else { "sizes" };
    last_axis(plan, finding, is, should, axis).or_else(|| {
        sum.then(|| last_axis(plan, finding, should, is, "sizes"))
            .flatten()
            .or_else(|| shorter(plan, finding, is, should, &said))
    })
}

/// Only the example's length, where the error counts an index that no more than the other length reaches: a list of
/// modules, one for each place, ends there.
pub fn within(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("index ")?;
    let index = *text::numbers(after).first()?;
    if !after.contains("is out of range") {
        return None;
    }
    let mut next = plan.clone();
    for dim in next.dims.values_mut() {
        if dim.example <= index + 1 && dim.other.is_some_and(|other| other > index) {
            dim.other = None;
        }
    }
    let reason = format!("index {index} is reached by the other length alone");
    let provenance = searched("dims", finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "dims", provenance))
}

/// Another length of an axis that may have any, where the error sets that length against the one it needs: a table of
/// positions is as long as the input has to be.
pub fn length(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("size of tensor a (")?;
    let [is, should, ..] = text::numbers(after)[..] else {
        return None;
    };
    let mut next = plan.clone();
    let (name, dim) = next
        .dims
        .iter_mut()
        .find(|(name, dim)| dim.example == is && *name != "batch")?;
    *dim = Dim {
        example: should,
        other: None,
    };
    let reason = format!("`{name}` is {is} long and has to be {should}");
    let key = format!("dims.{name}");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The length that something has room for, such as a table of positions, along the axis that the error counts.
fn shorter(
    plan: &PortPlan,
    finding: &Finding,
    is: u64,
    should: u64,
    said: &str,
) -> Option<Candidate> {
    let (_, after) = said.split_once("at non-singleton dimension ")?;
    let place = usize::try_from(*text::numbers(after).first()?).ok()?;
    let input = plan.inputs.iter().find(|input| input.dtype.is_float())?;
    let (name, _) = input.shape.get(place)?.named()?;
    let mut next = plan.clone();
    let dim = next.dims.get_mut(name)?;
    if dim.example != is || should >= is || should < 2 {
        return None;
    }
    *dim = Dim {
        example: should,
        other: None,
    };
    let reason = format!("there is room for {should} of {is} along axis {place}");
    let provenance = searched("sizes", finding, reason);
    Some(Candidate::setting(
        next,
        &format!("dims.{name}"),
        provenance,
    ))
}

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

/// The last axis of the first real-valued input that ends with the number takes the other, where other axes hold the
/// same by chance.
fn last_axis(
    plan: &PortPlan,
    finding: &Finding,
    is: u64,
    should: u64,
    axis: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let input = next
        .inputs
        .iter_mut()
        .filter(|input| input.dtype.is_float())
        .find(|input| input.shape.last() == Some(&Axis::Fixed(is)))?;
    let name = input.name.clone();
    *input.shape.last_mut()? = Axis::Fixed(should);
    // An error that counts this very axis leaves little to guess.
    let place = input.shape.len() - 1;
    let counted = text::said(finding).contains(&format!("at non-singleton dimension {place}"));
    let axis = if counted { STATED } else { axis };
    let reason = format!("the error sets {is} against {should}, the last axis of `{name}`");
    let key = format!("inputs.{name}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(axis, finding, reason),
    ))
}

/// One axis after the other takes the number, where several of one input hold it: only one of them may be meant.
fn one_axis(plan: &PortPlan, finding: &Finding, is: u64, should: u64) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (place, input) in plan.inputs.iter().enumerate() {
        let holders: Vec<usize> = (0..input.shape.len())
            .filter(|axis| input.shape[*axis] == Axis::Fixed(is))
            .collect();
        if holders.len() < 2 || found.len() > 2 {
            continue;
        }
        for axis in holders {
            let mut next = plan.clone();
            next.inputs[place].shape[axis] = Axis::Fixed(should);
            let reason = format!(
                "the error sets {is} against {should}, which may be axis {axis} of `{}`",
                input.name
            );
            let key = format!("inputs.{}.shape", input.name);
            let provenance = searched("sizes", finding, reason);
            found.push(Candidate::setting(next, &key, provenance));
        }
    }
    found
}

/// Images of sides that survive more halvings, where no field of the configuration fixes them.
fn larger_images(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = Vec::new();
    for side in [128, 256] {
        let mut next = plan.clone();
        for input in next
            .inputs
            .iter_mut()
            .filter(|input| input.modality == "image")
        {
            for axis in input.shape.iter_mut().skip(2) {
                if matches!(axis, Axis::Fixed(size) if *size >= 16 && *size < side) {
                    *axis = Axis::Fixed(side);
                }
            }
        }
        if next != *plan {
            let reason = format!("an image of {side} pixels a side survives more halvings");
            let provenance = searched("sizes", finding, reason);
            found.push(Candidate::setting(next, "inputs.shape", provenance));
        }
    }
    found
}

/// Rows for each codebook as an axis of their own at the end, where the model cannot unfold them by itself.
fn unfolded(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
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
        "mono",
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

/// The side of a square patch whose pixels fill a row of this width.
fn patch_of(width: u64) -> Option<u64> {
    (2..=64).find(|side| CHANNELS * side * side == width)
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
    found.extend(larger_images(plan, finding));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> PortPlan {
        PortPlan::from_toml(
            r#"
schema = 1
model_type = "any"
family = "speech"
library_version = "5.20.2"
class = "AnyModel"
module = "any"
config_class = "AnyConfig"
task = "base"
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
frames = { example = 64, other = 96 }

[[inputs]]
name = "features"
dtype = "float32"
shape = ["batch", "frames", 128]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "some_mask"
dtype = "int64"
shape = ["batch", "frames"]
modality = "control"
values = { kind = "mask" }
"#,
        )
        .unwrap()
    }

    fn finding(message: &str) -> Finding {
        Finding {
            stage: portwright_core::Stage::Forward,
            backend: None,
            signature: portwright_core::Signature::phrase("reference ignores input some_mask"),
            message: message.into(),
            error: None,
            hint: None,
        }
    }

    #[test]
    fn a_sum_of_two_sizes_may_have_the_input_on_either_side() {
        let sum = |a: u64, b: u64, at: u64| {
            finding(&format!(
                "The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {at}"
            ))
        };
        for (a, b) in [(128, 64), (64, 128)] {
            let found = width(&plan(), &sum(a, b, 2)).unwrap();
            assert_eq!(found.plan.inputs[0].shape[2], Axis::Fixed(64));
        }
        let found = width(&plan(), &sum(64, 63, 1)).unwrap();
        assert_eq!(found.plan.dims["frames"].example, 63);
        assert!(width(&plan(), &sum(40, 39, 1)).is_none());
    }

    #[test]
    fn a_length_that_no_module_is_there_for_is_left_out() {
        let found = within(&plan(), &finding("IndexError: index 64 is out of range")).unwrap();
        assert_eq!(found.plan.dims["frames"].other, None);
        assert_eq!(found.plan.dims["batch"].other, Some(3));
        assert!(within(&plan(), &finding("IndexError: index 99 is out of range")).is_none());
    }

    #[test]
    fn a_mask_that_moves_nothing_is_given_whole() {
        let found = whole_mask(&plan(), &finding("")).unwrap();
        let mask = found.plan.input("some_mask").unwrap();
        assert_eq!(mask.values, Values::Constant { value: 1.0 });
        assert!(whole_mask(&found.plan, &finding("")).is_none());
    }

    #[test]
    fn the_width_of_a_row_tells_its_patch() {
        assert_eq!(patch_of(192), Some(8));
        assert_eq!(patch_of(64), None);
    }
}

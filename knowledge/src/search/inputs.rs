//! Changes of the inputs: one that the error asks for, another size, and what general causes suggest.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{AdaptationKind, Axis, Dim, Values},
};

use super::{
    candidate::{Candidate, searched},
    lengths::{last_axis, one_axis},
    ranks::{ranks, unfolded},
    stated::STATED,
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

/// A drawn mask that moves nothing is given whole where `forward` cannot be called without it: the model may round its
/// lengths up to parts of which even half a row has all. Any other one is left out instead, since nothing that has one
/// value is ever probed.
pub fn whole_mask(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let name = finding
        .signature
        .0
        .strip_prefix("reference ignores input ")?;
    let taken = &card.class(&plan.class)?.inputs;
    let required = taken.iter().any(|it| it.required && it.name == name);
    if !required && !asked_for(plan, name) {
        return None;
    }
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

/// Whether a signature is that of an error, which names the function that raised it, and not of what the judge found.
fn is_raised(signature: &str) -> bool {
    signature.contains(" @ ")
}

/// Whether the input was added because an error asked for it: whatever its signature says, `forward` then does not do
/// without it beside the plan's other inputs.
pub fn asked_for(plan: &PortPlan, name: &str) -> bool {
    let key = format!("inputs.{name}");
    plan.input(name).is_some()
        && plan.adaptations.iter().any(|adaptation| {
            matches!(&adaptation.kind, AdaptationKind::Setting { key: own } if *own == key)
                && (adaptation.provenance.name == STATED
                    || is_raised(&adaptation.provenance.answers))
        })
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
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::features()
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
    fn a_mask_that_moves_nothing_is_given_whole_where_it_has_to_be_given() {
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let card = |required: bool| {
            fixtures::card(serde_json::json!({"classes": [{
                "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "features",
                "inputs": [{"name": "some_mask", "required": required, "source": source}],
            }]}))
        };
        let found = whole_mask(&card(true), &plan(), &finding("")).unwrap();
        let mask = found.plan.input("some_mask").unwrap();
        assert_eq!(mask.values, Values::Constant { value: 1.0 });
        assert!(whole_mask(&card(true), &found.plan, &finding("")).is_none());
        assert!(whole_mask(&card(false), &plan(), &finding("")).is_none());
        // What an error has asked for is as good as required.
        let asked = Candidate::setting(
            plan(),
            "inputs.some_mask",
            searched(STATED, &finding(""), "asked for"),
        );
        assert!(whole_mask(&card(false), &asked.plan, &finding("")).is_some());
        let raised = Finding {
            signature: portwright_core::Signature::phrase("AttributeError: _ @ forward"),
            ..finding("")
        };
        let provenance = searched("inputs", &raised, "it is missing");
        let asked = Candidate::setting(plan(), "inputs.some_mask", provenance);
        assert!(whole_mask(&card(false), &asked.plan, &finding("")).is_some());
    }
}

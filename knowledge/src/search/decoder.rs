//! What a decoder reads, where the forward goes on with nothing in its place: an encoder's input alone is no input of the
//! decoder, and a forward need not check for it.

use portwright_core::{Finding, InterfaceCard, PortPlan, plan::Axis};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::more_input;

/// How the names of what a decoder reads begin; its embeddings stand for them.
const READS: &str = "decoder_input";
const EMBEDS: &str = "embeds";
const NOTHING: &str = "'NoneType' object";

pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains(NOTHING) {
        return None;
    }
    let reads = |name: &str| name.starts_with(READS) && !name.ends_with(EMBEDS);
    if plan.inputs.iter().any(|input| reads(&input.name)) {
        return None;
    }
    let class = card.class(&plan.class)?;
    let input = class.inputs.iter().find(|input| reads(&input.name))?;
    let mut next = more_input(card, plan, &input.name)?;
    alike(&mut next, &input.name);
    let reason = format!("`{}` is what the decoder reads", input.name);
    let key = format!("inputs.{}", input.name);
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// Gives the decoder's input the axes of the encoder's of the same name behind its own length: where that one is rows of
/// hidden states, the two are of a kind.
fn alike(plan: &mut PortPlan, name: &str) {
    let encoder = name.strip_prefix("decoder_").and_then(|of| plan.input(of));
    let rows = encoder.and_then(|input| match input.shape.as_slice() {
        [_, Axis::Named(_), width @ Axis::Fixed(_)] => Some(width.clone()),
        _ => None,
    });
    let own = plan.inputs.iter_mut().find(|input| input.name == name);
    if let (Some(width), Some(own)) = (rows, own)
        && own.dtype.is_float()
        && own.shape.len() == 2
    {
        own.shape.push(width);
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::propose::{ProposeOptions, propose};
    use crate::search::fixtures;

    #[test]
    fn a_decoder_that_was_given_nothing_gets_its_input() {
        let source = serde_json::json!({ "file": "any.py", "line": 1 });
        let input = |name: &str| serde_json::json!({ "name": name, "required": false, "shape": ["batch_size", "sequence_length"], "source": source });
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_class": { "name": "AnyConfig", "module": "any", "source": source },
            "modalities": [],
            "classes": [{ "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "input_values",
                "inputs": [input("input_values"), input("decoder_input_values")] }],
        }));
        let mut plan = propose(&card, &ProposeOptions::default()).unwrap();
        plan.inputs.retain(|input| input.name == "input_values");
        let finding = fixtures::finding(
            Stage::Forward,
            "AttributeError: 'NoneType' object has no attribute 'shape'",
        );
        let found = candidates(&card, &plan, &finding).unwrap().plan;
        let length = &found.input("decoder_input_values").unwrap().shape;
        assert_eq!(length.len(), 2);
        // An encoder that reads hidden states is beside a decoder that does.
        plan.inputs[0].shape = vec![
            Axis::Named("batch".into()),
            Axis::Named("sequence".into()),
            Axis::Fixed(64),
        ];
        let found = candidates(&card, &plan, &finding).unwrap().plan;
        let rows = &found.input("decoder_input_values").unwrap().shape;
        assert_eq!(rows.last(), Some(&Axis::Fixed(64)));
    }
}

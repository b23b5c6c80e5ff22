//! Ids with an axis of codebooks beside a sense that moves nothing: such ids are what the model has made itself, and hold
//! the sense already. A prompt has one id a position, and the places of the sense among them.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    ids::BEYOND,
    stated::{STATED, put_named},
    text,
};
use crate::propose::{
    VOCABULARY, get, join, nodes,
    senses::placeholders::{count, resize},
};

const IDS: &str = "input_ids";
/// How many codes a codec tells apart.
const CODES: &str = "codebook_size";
/// What has places in a text.
const SENSES: [&str; 3] = ["audio", "image", "video"];

/// The plan whose ids have one axis of positions, where a real-valued input moves nothing beside ids of codebooks.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let name = finding
        .signature
        .0
        .strip_prefix("reference ignores input ")?;
    let ignored = plan.input(name)?;
    if !ignored.dtype.is_float() || ignored.modality == "control" {
        return None;
    }
    let mut next = plan.clone();
    let ids = next.inputs.iter_mut().find(|input| input.name == IDS)?;
    if ids.shape.len() != 3 {
        return None;
    }
    ids.shape.truncate(2);
    ids.modality = "text".into();
    let reason = format!("ids of codebooks leave nothing for `{name}` to say");
    let key = format!("inputs.{IDS}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The plan with as many places of a sense as its features, where the forward writes the features over the places and
/// torch counts both in all rows together.
pub fn assigned(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("value tensor of shape [")?;
    let (features, places) = after.split_once("indexing result of shape [")?;
    let features = *text::numbers(features).first()?;
    let places = *text::numbers(places).first()?;
    let batch = plan.dims.get("batch")?.example.max(1);
    let sense = SENSES.iter().find(|sense| {
        let own = count(plan, sense).and_then(|count| count.checked_mul(batch));
        own == Some(places)
    })?;
    if features == places || features == 0 || !features.is_multiple_of(batch) {
        return None;
    }
    let next = resize(plan, sense, features / batch)?;
    let reason = format!("{features} features are written over {places} places");
    Some(Candidate::setting(
        next,
        "inputs.input_ids.values.runs",
        searched(STATED, finding, reason),
    ))
}

/// The plan whose nested codecs have no more codes than the model around them has embeddings, where an id lies beyond a
/// table: the forward looks up what a codec makes of the sound.
pub fn codes(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains(BEYOND) {
        return None;
    }
    let mut next = plan.clone();
    for node in nodes(card).iter().filter(|node| !node.path.is_empty()) {
        let Some(field) = node.fields.iter().find(|field| field.name == CODES) else {
            continue;
        };
        let path = join(&node.path, &field.name);
        let now = get(&plan.config, &path).unwrap_or(&field.default);
        if now.as_u64().is_some_and(|codes| codes > VOCABULARY) {
            put_named(card, &mut next.config, &path, Value::from(VOCABULARY));
        }
    }
    let reason = "a codec makes codes beyond the small vocabulary";
    (next != *plan).then(|| {
        let provenance = searched(STATED, finding, reason);
        Candidate::setting(next, "config.codebook_size", provenance)
    })
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage, plan::Axis};

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_sense_that_ids_of_codebooks_leave_unread_stands_beside_a_plain_prompt() {
        let mut plan = fixtures::features();
        plan.inputs[1].name = IDS.into();
        let finding = Finding {
            signature: Signature::phrase("reference ignores input features"),
            ..fixtures::finding(Stage::Reference, "nothing moves")
        };
        assert!(candidates(&plan, &finding).is_none());
        plan.inputs[1].shape.push(Axis::Fixed(32));
        let found = candidates(&plan, &finding).unwrap().plan;
        assert_eq!(found.input(IDS).unwrap().shape.len(), 2);
    }

    #[test]
    fn places_are_as_many_as_the_features_that_are_written_over_them() {
        let plan = fixtures::prompt(r#"{ id = 3, at = 1, count = 4, marks = "audio" }"#, "");
        let said = |features: u64| {
            fixtures::finding(
                Stage::Forward,
                format!(
                    "shape mismatch: value tensor of shape [{features}, 64] cannot be broadcast to indexing result of shape [8, 64]"
                ),
            )
        };
        let found = assigned(&plan, &said(14)).unwrap().plan;
        assert_eq!(count(&found, "audio"), Some(7));
        assert!(assigned(&plan, &said(15)).is_none());
    }

    #[test]
    fn a_nested_codec_makes_no_codes_beyond_the_small_vocabulary() {
        let codec = serde_json::json!({
            "class": "CodecConfig", "attribute_map": {},
            "fields": [{"name": CODES, "default": 2048}]
        });
        let card = fixtures::card(serde_json::json!({"sub_configs": {"codec_config": codec}}));
        let finding = fixtures::finding(Stage::Forward, BEYOND);
        let found = codes(&card, &fixtures::features(), &finding).unwrap().plan;
        let set = get(&found.config, "codec_config.codebook_size");
        assert_eq!(set, Some(&Value::from(VOCABULARY)));
        assert!(codes(&card, &found, &finding).is_none());
    }
}

//! What a merge of placeholders and features was given, as the frames of its traceback hold it. The library's wordings count
//! features in several ways (rows of a batch, features, numbers) or not at all; the tensors themselves leave nothing
//! open.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    placeholders::{SHORT, WORDS, one_length},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{
    get, join, nodes,
    senses::placeholders::{count, insert, resize},
};

/// So many frames, from the innermost, may be the merge.
const NEAR: usize = 3;

/// The plan with as many placeholders in a row as there are features, or with features as wide as a token.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let compares =
        |line: &str| line.contains("match") && line.contains("features") && line.contains("token");
    if !said.contains(SHORT) && !said.lines().any(compares) {
        return None;
    }
    let (embeds, sense, features) = held(plan, finding)?;
    let (width, rows) = (*embeds.last()?, *embeds.first()?);
    let (wide, counts) = features.split_last()?;
    let all = counts
        .iter()
        .try_fold(1_u64, |all, count| all.checked_mul(*count))?;
    if *wide != width {
        return widened(card, plan, finding, sense, *wide, width);
    }
    if rows == 0 || !all.is_multiple_of(rows) {
        return None;
    }
    let wanted = all / rows;
    // The example fits, and the other sizes do not.
    if let Some(next) =
        count(plan, sense).and_then(|before| one_length(plan, before, before * rows))
    {
        let reason = "a length that changes gives other features than the text has places for";
        let provenance = searched(STATED, finding, reason);
        return Some(Candidate::setting(next, "dims", provenance));
    }
    let next = match count(plan, sense) {
        Some(before) if before == wanted => None,
        Some(_) => resize(plan, sense, wanted),
        None => insert(card, plan, sense, wanted),
    }?;
    let reason = format!("{wanted} features stand in the places of a row");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(
        next,
        "inputs.input_ids.values.runs",
        provenance,
    ))
}

/// The shapes of the text's embeddings and of the features, with the sense that they belong to.
fn held(plan: &PortPlan, finding: &Finding) -> Option<(Vec<u64>, &'static str, Vec<u64>)> {
    let frames = finding.error.as_ref()?.frames.iter().rev().take(NEAR);
    for frame in frames {
        let Some(embeds) = frame.tensors.get("inputs_embeds").filter(|s| s.len() == 3) else {
            continue;
        };
        let found = frame.tensors.iter().find_map(|(name, shape)| {
            let features = shape.len() > 1
                && name != "inputs_embeds"
                && !name.contains("mask")
                && (name.contains("features") || name.contains("embed"))
                && !plan.inputs.iter().any(|input| input.name == *name);
            features.then(|| Some((sense(plan, name)?, shape.clone())))?
        });
        if let Some((sense, shape)) = found {
            return Some((embeds.clone(), sense, shape));
        }
    }
    None
}

/// The sense that a tensor is named after, or the only one whose placeholders the plan has.
fn sense(plan: &PortPlan, name: &str) -> Option<&'static str> {
    let named = WORDS.iter().find(|(_, words)| {
        words
            .iter()
            .any(|word| name.contains(word.to_lowercase().as_str()))
    });
    if let Some((sense, _)) = named {
        return Some(sense);
    }
    let mut own = WORDS
        .iter()
        .filter(|(sense, _)| count(plan, sense).is_some());
    let (sense, _) = own.next()?;
    own.next().is_none().then_some(*sense)
}

/// What holds the features' width, where the part for the sense has it, gets the text's. A field that is named after what
/// is put out is meant rather than others with the same number.
fn widened(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    sense: &str,
    wide: u64,
    width: u64,
) -> Option<Candidate> {
    let part = if sense == "audio" { "audio" } else { "vis" };
    let mut paths = Vec::new();
    for node in nodes(card).iter().filter(|node| node.path.contains(part)) {
        for field in &node.fields {
            let path = join(&node.path, &field.name);
            let set = get(&plan.config, &path).unwrap_or(&field.default);
            if set.as_u64() == Some(wide) {
                paths.push(path);
            }
        }
    }
    let out = |path: &&String| path.rsplit('.').next().is_some_and(|n| n.contains("out"));
    let path = paths
        .iter()
        .find(out)
        .or_else(|| paths.first().filter(|_| paths.len() == 1))?;
    let mut next = plan.clone();
    put_named(card, &mut next.config, path, Value::from(width));
    let reason = format!("features are {wide} wide and a token {width}");
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "config.output", provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature, Stage,
        job::{Frame, JobError},
        plan::Values,
    };

    use super::*;
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::prompt(
            r#"{ id = 3, at = 1, count = 1, marks = "audio" }"#,
            r#"[config]
audio_config = { out_dim = 64, layers = 2 }
"#,
        )
    }

    fn card() -> InterfaceCard {
        let source = serde_json::json!({ "file": "any.py", "line": 1 });
        let class = serde_json::json!({ "name": "AnyConfig", "module": "any", "source": source });
        fixtures::card(serde_json::json!({
            "config_class": class, "modalities": ["text"],
            "sub_configs": { "audio_config": {
                "class": "AnyAudioConfig", "attribute_map": {},
                "fields": [{ "name": "out_dim", "default": 64 }, { "name": "layers", "default": 2 }],
            } },
        }))
    }

    fn finding(features: &[u64]) -> Finding {
        let tensors = [
            ("inputs_embeds".to_owned(), vec![2, 24, 32]),
            ("audio_features".to_owned(), features.to_vec()),
            ("special_audio_mask".to_owned(), vec![2, 24, 32]),
        ];
        Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: "Audio features and audio tokens do not match, tokens: 2, features: 2".into(),
            error: Some(JobError {
                frames: vec![Frame {
                    function: "merge".into(),
                    tensors: tensors.into(),
                    ..Frame::default()
                }],
                ..JobError::default()
            }),
            hint: None,
        }
    }

    #[test]
    fn features_whose_rows_alone_are_counted_get_a_placeholder_each() {
        let found = candidates(&card(), &plan(), &finding(&[2, 30, 32])).unwrap();
        let Values::Tokens { runs, .. } = &found.plan.inputs[0].values else {
            panic!("no tokens");
        };
        assert_eq!(runs[0].count, 30);
        assert!(found.plan.dims["sequence"].example > 30);
    }

    #[test]
    fn features_that_are_wider_than_a_token_are_put_out_with_its_width() {
        let found = candidates(&card(), &plan(), &finding(&[2, 1, 64])).unwrap();
        assert_eq!(
            get(&found.plan.config, "audio_config.out_dim"),
            Some(&Value::from(32))
        );
    }
}

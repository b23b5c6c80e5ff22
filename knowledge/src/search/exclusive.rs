//! Inputs that exclude each other: what the error does not want beside another is left out.

use portwright_core::{Finding, InterfaceCard, PortPlan, card::ModelClass};

use super::{
    candidate::{Candidate, searched},
    class,
    stated::STATED,
    text,
};
use crate::propose::{more_input, senses::placeholders::without};

/// Ready-made embeddings, which stand for ids.
const EMBEDS: &str = "inputs_embeds";
const IDS: &str = "input_ids";
/// Wordings of a refusal to take several inputs together.
const TOGETHER: [&str; 7] = [
    "at the same time",
    "exactly one of",
    "Exactly 1 of",
    "only one of",
    "cannot specify both",
    "mutually exclusive",
    "Both ",
];
/// What the judge says of a class that takes text and is given none.
const NO_TEXT: &str = "a modality is not exercised: text";
/// How many other classes are tried.
const FEW: usize = 3;
/// The wording that refuses one input.
const ALONE: &str = " is expected to be `None`";

/// Plans without one of the inputs that the error does not want: the later one first, which with its placeholders is the
/// rarer sense.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let mut found = around(card, plan, finding);
    if let Some(next) = without_source(card, &said, plan) {
        let reason = "what is given beside the ids becomes the embeddings that exclude them";
        let provenance = searched(STATED, finding, reason);
        found.push(Candidate::setting(next, "inputs", provenance));
    }
    for name in unwanted(&said, plan).into_iter().rev() {
        let mut ways = vec![left_out(plan, name)];
        let takes_embeds = card
            .class(&plan.class)
            .is_some_and(|class| class.inputs.iter().any(|input| input.name == EMBEDS));
        if name == IDS && takes_embeds && plan.input(EMBEDS).is_none() {
            ways.extend(more_input(card, &ways[0], EMBEDS));
        }
        // Where nothing else that carries values is left, the embeddings are what the error wants.
        if !ways[0].inputs.iter().any(|input| input.dtype.is_float()) {
            ways.reverse();
        }
        for next in ways {
            let reason = format!("the error does not want `{name}` beside another input");
            let key = format!("inputs.{name}");
            let provenance = searched(STATED, finding, reason);
            found.push(Candidate::setting(next, &key, provenance));
        }
    }
    found
}

/// Plans of the other classes that take ids, where this one was given embeddings in their place and the judge finds that no
/// text reaches it: a class around the plain model makes embeddings of ids itself.
fn around(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    if finding.signature.0 != NO_TEXT || plan.input(EMBEDS).is_none() {
        return Vec::new();
    }
    let takes = |class: &&ModelClass| class.inputs.iter().any(|input| input.name == IDS);
    let others = card.classes.iter().filter(|class| class.name != plan.class);
    others
        .filter(takes)
        .take(FEW)
        .filter_map(|other| {
            let next = class::of(card, plan, other)?;
            let reason = format!("`{}` may make embeddings of ids", other.name);
            let provenance = searched(STATED, finding, reason);
            Some(Candidate::setting(next, "class", provenance))
        })
        .collect()
}

/// The plan with ids alone, where what they exclude is no input of the plan: the forward made it of another sense's
/// features, which takes the place of the ids. A class that declares the sense is not judged without it.
fn without_source(card: &InterfaceCard, said: &str, plan: &PortPlan) -> Option<PortPlan> {
    let both = TOGETHER.iter().any(|words| said.contains(words));
    let named = [IDS, EMBEDS].iter().all(|name| text::names(said, name));
    if !both || !named || plan.input(IDS).is_none() || plan.input(EMBEDS).is_some() {
        return None;
    }
    let mut next = plan.clone();
    let declared = |sense: &str| card.modalities.iter().any(|name| name == sense);
    let sensed = ["image", "audio", "video"];
    if sensed.iter().any(|sense| declared(sense)) {
        return None;
    }
    next.inputs
        .retain(|input| !(input.dtype.is_float() && sensed.contains(&input.modality.as_str())));
    (next.inputs.len() < plan.inputs.len()).then_some(next)
}

/// The plan without an input, and without what stands for it in the text.
fn left_out(plan: &PortPlan, name: &str) -> PortPlan {
    let video = name.contains("video").then(|| without(plan, "video"));
    video.flatten().unwrap_or_else(|| {
        let mut next = plan.clone();
        next.inputs.retain(|input| input.name != name);
        next
    })
}

/// The inputs of the plan that an error names as not to be given together, or not at all.
fn unwanted<'a>(said: &str, plan: &'a PortPlan) -> Vec<&'a str> {
    let names = || plan.inputs.iter().map(|input| input.name.as_str());
    let mut found: Vec<&str> = Vec::new();
    if TOGETHER.iter().any(|words| said.contains(words)) {
        found.extend(names().filter(|name| text::names(said, name)));
        if found.len() < 2 && !found.contains(&IDS) {
            found.clear();
        }
    }
    for (at, _) in said.match_indices(ALONE) {
        let word = said[..at].split_whitespace().last().unwrap_or_default();
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
        found.extend(
            names()
                .filter(|name| *name == word && !found.contains(name))
                .collect::<Vec<_>>(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::prompt(
            r#"{ id = 3, at = 1, count = 4, marks = "image" }, { id = 4, at = 6, count = 4, marks = "video" }"#,
            r#"[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "pixel_values_videos"
dtype = "float32"
shape = ["batch", 3]
modality = "video"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        )
    }

    fn card() -> InterfaceCard {
        fixtures::card(serde_json::json!({
            "modalities": ["text"]
        }))
    }

    #[test]
    fn one_of_two_inputs_that_exclude_each_other_is_left_out_with_its_placeholders() {
        let finding = fixtures::finding(
            Stage::Forward,
            "pixel_values and pixel_values_videos are provided at the same time",
        );
        let found = candidates(&card(), &plan(), &finding);
        let left = &found[0].plan;
        assert!(
            left.input("pixel_values_videos").is_none() && left.input("pixel_values").is_some()
        );
        let runs = serde_json::to_value(&left.input("input_ids").unwrap().values).unwrap();
        assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
        assert!(found[1].plan.input("pixel_values").is_none());
    }

    #[test]
    fn another_class_that_takes_ids_is_tried_where_embeddings_alone_are_no_text() {
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let class = |name: &str| {
            serde_json::json!({
                "name": name, "module": "any", "task": "base", "source": source, "main_input": IDS,
                "inputs": [{"name": IDS, "required": false, "source": source}, {"name": EMBEDS, "required": false, "source": source}],
            })
        };
        let card =
            fixtures::card(serde_json::json!({"classes": [class("AnyModel"), class("AnyHead")]}));
        let mut plan = plan();
        let finding = Finding {
            signature: portwright_core::Signature::phrase(NO_TEXT),
            ..fixtures::finding(Stage::Reference, "no text")
        };
        assert!(around(&card, &plan, &finding).is_empty());
        plan.inputs[1].name = EMBEDS.into();
        let found = around(&card, &plan, &finding);
        assert_eq!(found[0].plan.class, "AnyHead");
        assert!(found[0].plan.input(IDS).is_some());
    }

    #[test]
    fn ids_stand_alone_where_features_become_the_embeddings_that_exclude_them() {
        let said = "You cannot specify both input_ids and inputs_embeds at the same time";
        let left = without_source(&card(), said, &plan()).unwrap();
        assert_eq!(left.inputs.len(), 1);
        let declares = fixtures::card(serde_json::json!({"modalities": ["image", "text"]}));
        assert!(without_source(&declares, said, &plan()).is_none());
        assert!(without_source(&card(), said, &left).is_none());
        assert!(without_source(&card(), "input_ids must be given", &plan()).is_none());
    }

    #[test]
    fn inputs_that_exclude_each_other_are_read() {
        let plan = plan();
        // What the plan does not give may be what the library makes of the ids.
        let said = "You cannot specify both input_ids and inputs_embeds at the same time";
        assert_eq!(unwanted(said, &plan), ["input_ids"]);
        let said = "Both `pixel_values` and `pixel_values_videos` received!";
        assert_eq!(
            unwanted(said, &plan),
            ["pixel_values", "pixel_values_videos"]
        );
        let said = "ValueError: `input_ids` is expected to be `None`";
        assert_eq!(unwanted(said, &plan), ["input_ids"]);
        assert!(unwanted("both of them", &plan).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*(Both | is expected to be `None`)\\PC*") {
            let _ = unwanted(&said, &plan());
        }
    }
}

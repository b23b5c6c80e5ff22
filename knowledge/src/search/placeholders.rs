//! The number of placeholder tokens, which the library compares with the number of features and then names both.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Axis, Dtype, Values},
};

use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{
    Node, OTHER_WIDTH, WIDTH, get, join, nodes,
    senses::placeholders::{count, insert, resize, without},
};

/// The senses by the words with which the library names them; what names none is about every sense.
pub(super) const WORDS: [(&str, &[&str]); 3] = [
    ("image", &["Image", "image", "Multimodal", "placeholder"]),
    ("video", &["Video", "video", "Multimodal", "placeholder"]),
    (
        "audio",
        &["Audio", "audio", "Speech", "Multimodal", "placeholder"],
    ),
];

/// More features than a small image gives.
const MANY: u64 = 1024;

/// The width of what a small part hands over where nothing ties it to the width of the text.
const NARROW: u64 = OTHER_WIDTH;

/// What torch says where features are fewer than placeholders and the library has not counted them before.
pub(super) const SHORT: &str = "source < number of ones in mask";

/// Plans with fewer placeholders, where the error does not say how many features there are.
fn fewer(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = Vec::new();
    for divisor in [4, 2, 16] {
        for (sense, _) in WORDS {
            let fewer = count(plan, sense).map(|count| count / divisor);
            let next = fewer
                .filter(|count| *count > 0)
                .and_then(|count| resize(plan, sense, count));
            if let Some(next) = next {
                let reason = format!("fewer features than {sense} placeholders");
                found.push(Candidate::setting(
                    next,
                    "inputs.input_ids.values.runs",
                    searched("placeholders", finding, reason),
                ));
            }
        }
    }
    found
}

/// Plans whose placeholders are as many as the features that the error counts.
pub fn counted(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if said.contains(SHORT) {
        return fewer(plan, finding);
    }
    let Some(line) = said
        .lines()
        .find(|line| line.contains("match") && line.contains("features") && line.contains("token"))
    else {
        return Vec::new();
    };
    let [.., tokens, features] = text::numbers(line)[..] else {
        return Vec::new();
    };
    if tokens == features {
        let mut found: Vec<Candidate> = flags(card, plan, finding, line).into_iter().collect();
        found.extend(spread_out(card, plan, finding, line, features));
        found.extend(handed_over(card, plan, finding, line));
        return found;
    }
    // Features that were laid out in rows of the text's width are fewer or more than the placeholders where each had
    // another width.
    if tokens > 0 && features == tokens * NARROW {
        let found = handed_over(card, plan, finding, line);
        if !found.is_empty() {
            return found;
        }
    }
    let batch = plan.dims.get("batch").map_or(1, |dim| dim.example).max(1);
    let mut found: Vec<Candidate> = shared(plan, finding, line, tokens).into_iter().collect();
    let changed = |next: PortPlan| {
        let reason = format!("{features} features stand against {tokens} placeholders");
        // Where the error counts the plan's own placeholders it also counts the features right.
        let own: u64 = WORDS
            .iter()
            .filter(|(_, words)| words.iter().any(|word| line.contains(word)))
            .filter_map(|(sense, _)| count(plan, sense))
            .sum();
        let axis = if tokens > 0 && tokens == own * batch {
            STATED
        } else {
            "placeholders"
        };
        let provenance = searched(axis, finding, reason);
        Candidate::setting(next, "inputs.input_ids.values.runs", provenance)
    };
    // One wording for several senses may be about each of them: all of them at once come first.
    let mut together = plan.clone();
    let mut senses = 0;
    for (sense, words) in WORDS {
        let before = count(plan, sense).unwrap_or(0);
        if !words.iter().any(|word| line.contains(word)) {
            continue;
        }
        if let Some(next) = one_length(plan, before, tokens) {
            let reason = "a length that changes gives as many features as no text has room for";
            let provenance = searched(STATED, finding, reason);
            return vec![Candidate::setting(next, "dims", provenance)];
        }
        // The error counts all rows. Where it found the plan's own tokens it says how many it counts a row.
        let wanted = if before > 0 && tokens > 0 && (before * features).is_multiple_of(tokens) {
            before * features / tokens
        } else {
            features / batch
        };
        // Some wordings count the numbers of the features rather than the features.
        let wanted = if wanted > MANY && wanted.is_multiple_of(WIDTH) {
            wanted / WIDTH
        } else {
            wanted
        };
        let with = |plan: &PortPlan| match before {
            // A wording for every sense is no reason for one that the plan does not have.
            0 if !line.contains(words[0]) => None,
            0 => insert(card, plan, sense, wanted),
            _ => resize(plan, sense, wanted),
        };
        let Some(next) = with(plan).filter(|_| wanted > 0) else {
            continue;
        };
        together = with(&together).unwrap_or(together);
        senses += 1;
        found.push(changed(next));
    }
    if senses > 1 {
        found.insert(0, changed(together));
    }
    found
}

/// The plan whose example fits, and whose other sizes give another number of features than it has placeholders: the rows
/// that the error counts are as many as the other size of the batch. Only what carries text stays free.
pub(super) fn one_length(plan: &PortPlan, count: u64, tokens: u64) -> Option<PortPlan> {
    let other = plan.dims.get("batch")?.other?;
    if count == 0 || tokens != count * other {
        return None;
    }
    let mut next = plan.clone();
    let text = plan.input("input_ids")?;
    for (name, dim) in &mut next.dims {
        let carries = |axis: &Axis| axis.named().is_some_and(|(own, _)| own == name);
        if !text.shape.iter().any(carries) {
            dim.other = None;
        }
    }
    (next != *plan).then_some(next)
}

/// The placeholders of a video that are not found among its own are those of images, which the marks around them tell
/// apart.
fn shared(plan: &PortPlan, finding: &Finding, line: &str, tokens: u64) -> Option<Candidate> {
    if tokens > 0 || !line.contains("Video") || count(plan, "video").is_none() {
        return None;
    }
    let mut next = plan.clone();
    let text = next
        .inputs
        .iter_mut()
        .find(|spec| spec.name == "input_ids")?;
    let Values::Tokens { runs, .. } = &mut text.values else {
        return None;
    };
    let id = runs.iter().find(|run| run.marks == "image")?.id;
    runs.iter_mut()
        .filter(|run| run.marks == "video")
        .for_each(|run| run.id = id);
    let reason = "videos have the placeholders of images between marks of their own";
    let provenance = searched(STATED, finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "inputs.input_ids.values.runs", provenance))
}

/// A mask over the frames of a sound picks the features that are there, which only flags do: whole numbers pick rows of
/// features, as many times as the mask has places. Where no processor showed what it makes, the mask may be either.
fn flags(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    line: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let mask = next.inputs.iter_mut().find(|spec| {
        let sound = ["audio", "feature"]
            .iter()
            .any(|word| spec.name.contains(word));
        sound && spec.name.ends_with("mask") && spec.dtype == Dtype::Int64
    })?;
    if !line.contains("Audio") || card.processed.contains_key(&mask.name) {
        return None;
    }
    mask.dtype = Dtype::Bool;
    let reason = format!("`{}` may have to be flags", mask.name);
    let key = format!("inputs.{}.dtype", mask.name);
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(next, &key, provenance))
}

/// The width of the text, which every feature that takes the place of a token has.
fn text_width(card: &InterfaceCard, plan: &PortPlan) -> Option<u64> {
    let all = nodes(card);
    let value = |node: &Node, name: &str| {
        let field = node.field(name)?;
        let set = get(&plan.config, &join(&node.path, &field.name));
        set.unwrap_or(&field.default).as_u64()
    };
    let text = all.iter().filter(|node| node.path.contains("text"));
    text.chain(&all)
        .find_map(|node| value(node, "hidden_size").or_else(|| value(node, "d_model")))
}

/// As many features as placeholders do not fit where the wording counts the numbers of features that were laid out in one
/// row: each placeholder stands for as many of them as the text is wide.
fn spread_out(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    line: &str,
    numbers: u64,
) -> Option<Candidate> {
    let width = text_width(card, plan).filter(|width| *width > 1)?;
    let batch = plan.dims.get("batch").map_or(1, |dim| dim.example).max(1);
    let wanted = numbers / (width * batch);
    let (sense, _) = WORDS.iter().find(|(_, words)| line.contains(words[0]))?;
    let own = count(plan, sense)?;
    if wanted == 0 || own * batch != numbers || !numbers.is_multiple_of(width * batch) {
        return None;
    }
    let next = resize(plan, sense, wanted)?;
    let reason = format!("{numbers} are the numbers of features that are {width} wide");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(
        next,
        "inputs.input_ids.values.runs",
        provenance,
    ))
}

/// As many features as placeholders do not fit where each has another width than a token: what the part for the sense
/// hands over gets the width of the text.
fn handed_over(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    line: &str,
) -> Vec<Candidate> {
    let all = nodes(card);
    let Some(width) = text_width(card, plan) else {
        return Vec::new();
    };
    let mut next = plan.clone();
    for (sense, words) in WORDS {
        if !line.contains(words[0]) {
            continue;
        }
        let part = if sense == "audio" { "audio" } else { "vis" };
        for node in all.iter().filter(|node| node.path.contains(part)) {
            for field in node.fields.iter().filter(|field| {
                let name = &field.name;
                let over = name.starts_with("out") || name.contains("proj");
                over && field.default.is_number() && is_size(name)
            }) {
                let path = join(&node.path, &field.name);
                put_named(card, &mut next.config, &path, Value::from(width));
            }
        }
    }
    if next == *plan {
        return Vec::new();
    }
    let reason = format!("features are handed over with the width of the text, {width}");
    let provenance = searched(STATED, finding, reason);
    vec![Candidate::setting(next, "config.output", provenance)]
}

fn is_size(name: &str) -> bool {
    ["dim", "size", "hidden"]
        .iter()
        .any(|part| name.contains(part))
}

/// The plan without the sense of an input that the error says another input is required for, though the plan gives that
/// other one, or its class takes none of that name: it does not get to where it is needed, so nothing can be given for
/// this sense.
pub fn not_handed_on(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
) -> Option<Candidate> {
    let said = text::said(finding);
    let (before, after) = said.split_once(" is required when ")?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let required = before.trim_end_matches('`').rsplit(|c| !word(c)).next()?;
    let beside = plan
        .inputs
        .iter()
        .find(|spec| spec.name != required && text::names(after, &spec.name))?;
    let class = card.class(&plan.class);
    let takes = class.is_some_and(|class| class.inputs.iter().any(|it| it.name == required));
    if takes && plan.input(required).is_none() {
        return None;
    }
    let sense = beside.modality.clone();
    let mut next = without(plan, &sense)?;
    next.inputs.retain(|spec| spec.modality != sense);
    let reason = format!("`{required}` does not get to where it is required");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(next, "inputs.sense", provenance))
}

/// The plan without its video, where images and videos have the same placeholders: the model then writes the features of
/// one over those of the other.
pub fn alone(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let ignored = finding
        .signature
        .0
        .strip_prefix("reference ignores input ")?;
    if !ignored.starts_with("pixel_values") || plan.input("pixel_values").is_none() {
        return None;
    }
    let next = without(plan, "video")?;
    let reason = "videos take the places of the images";
    let provenance = searched("placeholders", finding, reason);
    Some(Candidate::setting(next, "inputs.video", provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage};

    use super::*;
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::prompt(
            r#"{ id = 3, at = 1, count = 4, marks = "image" }, { id = 4, at = 6, count = 4, marks = "video" }"#,
            "",
        )
    }

    fn card() -> InterfaceCard {
        fixtures::card(serde_json::json!({
            "config_fields": [{"name": "audio_token_id", "default": 9}],
            "modalities": ["text"]
        }))
    }

    fn finding(message: &str) -> Finding {
        fixtures::finding(Stage::Forward, message)
    }

    fn runs(plan: &PortPlan) -> Vec<(u64, u64)> {
        match &plan.input("input_ids").unwrap().values {
            Values::Tokens { runs, .. } => runs.iter().map(|run| (run.at, run.count)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_counted_features_become_the_placeholders_of_a_row_and_later_runs_move() {
        let text = "Image features and image tokens do not match, tokens: 8, features: 18";
        let found = counted(&card(), &plan(), &finding(text));
        assert_eq!(runs(&found[0].plan), [(1, 9), (11, 4)]);
        assert!(found[0].plan.dims["sequence"].example >= 30);
    }

    #[test]
    fn a_length_whose_other_size_gives_other_features_gets_one_size() {
        let mut plan = plan();
        let frames = portwright_core::plan::Dim {
            example: 64,
            other: Some(96),
        };
        plan.dims.insert("frames".into(), frames);
        let text = "Image features and image tokens do not match, tokens: 12, features: 18";
        let found = counted(&card(), &plan, &finding(text));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].plan.dims["frames"].other, None);
        assert_eq!(found[0].plan.dims["sequence"].other, Some(27));
    }

    #[test]
    fn as_many_features_as_placeholders_get_the_width_of_the_text() {
        let mut card = card();
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let nested = |fields: serde_json::Value| serde_json::json!({"class": "InnerConfig", "fields": fields, "attribute_map": {}});
        card.sub_configs = serde_json::from_value(serde_json::json!({
            "audio_config": nested(serde_json::json!([
                {"name": "output_dim", "default": 3584, "source": source},
                {"name": "model_type", "default": "inner_audio"},
            ])),
            "text_config": nested(serde_json::json!([
                {"name": "hidden_size", "default": 2048, "source": source},
                {"name": "model_type", "default": "inner_text"},
            ])),
        }))
        .unwrap();
        let mut plan = plan();
        let config = serde_json::json!({
            "audio_config": {"model_type": "inner_audio", "output_dim": 32},
            "text_config": {"model_type": "inner_text", "hidden_size": 64},
        });
        plan.config = config.as_object().unwrap().clone();
        let text = "Audio features and audio tokens do not match, tokens: 26, features: 26";
        let found = counted(&card, &plan, &finding(text));
        assert_eq!(found[0].plan.config["audio_config"]["output_dim"], 64);
        let mut all = crate::search::candidates(&card, &plan, &finding(text), &[]);
        assert_eq!(all.remove(0).plan.config["audio_config"]["output_dim"], 64);
    }

    #[test]
    fn a_mask_that_picks_features_becomes_flags() {
        let mut plan = plan();
        let mut mask = plan.inputs[0].clone();
        mask.name = "input_features_mask".into();
        mask.values = Values::Constant { value: 1.0 };
        plan.inputs.push(mask);
        let text = "Audio features and audio tokens do not match, tokens: 26, features: 26";
        let found = counted(&card(), &plan, &finding(text));
        let mask = found[0].plan.input("input_features_mask").unwrap();
        assert_eq!(mask.dtype, Dtype::Bool);
        let all = crate::search::candidates(&card(), &plan, &finding(text), &[]);
        let mask = all[0].plan.input("input_features_mask").unwrap();
        assert_eq!(mask.dtype, Dtype::Bool);
    }

    #[test]
    fn a_sense_whose_required_input_is_given_and_not_handed_on_is_left_out() {
        let mut plan = plan();
        for (name, modality) in [
            ("pixel_values_videos", "video"),
            ("frames_per_video", "control"),
        ] {
            let mut spec = plan.inputs[0].clone();
            spec.name = name.into();
            spec.modality = modality.into();
            plan.inputs.push(spec);
        }
        let text = "ValueError: `frames_per_video` is required when passing `pixel_values_videos`.";
        let mut card = card();
        let source = serde_json::json!({"file": "any.py", "line": 1});
        card.classes = serde_json::from_value(serde_json::json!([{
            "name": "AnyModel", "module": "any", "task": "base", "main_input": "input_ids", "source": source,
            "inputs": [{"name": "frames_per_video", "required": false, "source": source}],
        }]))
        .unwrap();
        let next = not_handed_on(&card, &plan, &finding(text)).unwrap().plan;
        let names: Vec<&str> = next.inputs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["input_ids"]);
        assert_eq!(runs(&next), [(1, 4)]);
        plan.inputs.pop();
        assert!(not_handed_on(&card, &plan, &finding(text)).is_none());
        card.classes[0].inputs.clear();
        assert!(not_handed_on(&card, &plan, &finding(text)).is_some());
    }

    #[test]
    fn features_of_another_width_than_the_text_are_handed_over_with_its_width() {
        let mut card = card();
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let nested = |fields: serde_json::Value| serde_json::json!({"class": "InnerConfig", "fields": fields, "attribute_map": {}});
        card.sub_configs = serde_json::from_value(serde_json::json!({
            "vision_config": nested(serde_json::json!([
                {"name": "projection_dim", "default": 2048, "source": source},
                {"name": "model_type", "default": "inner_vision"},
            ])),
            "text_config": nested(serde_json::json!([
                {"name": "hidden_size", "default": 4096, "source": source},
                {"name": "model_type", "default": "inner_text"},
            ])),
        }))
        .unwrap();
        let mut plan = plan();
        let config = serde_json::json!({
            "vision_config": {"model_type": "inner_vision", "projection_dim": 32},
            "text_config": {"model_type": "inner_text", "hidden_size": 64},
        });
        plan.config = config.as_object().unwrap().clone();
        let text = "Image features and image tokens do not match, tokens: 8, features: 256";
        let found = counted(&card, &plan, &finding(text));
        assert_eq!(found[0].plan.config["vision_config"]["projection_dim"], 64);
    }

    #[test]
    fn features_counted_by_their_numbers_are_as_many_as_fit_the_width_of_the_text() {
        let source = serde_json::json!({"file": "any.py", "line": 1});
        let card = fixtures::card(serde_json::json!({"config_fields": [
            {"name": "hidden_size", "default": 2, "source": source},
        ]}));
        let text = "Image features and image tokens do not match, tokens: 8, features: 8";
        let found = counted(&card, &plan(), &finding(text));
        assert_eq!(runs(&found[0].plan)[0], (1, 2));
    }

    #[test]
    fn a_video_without_placeholders_of_its_own_has_those_of_images() {
        let text = "Video features and video tokens do not match, tokens: 0, features: 8";
        let found = counted(&card(), &plan(), &finding(text));
        let Values::Tokens { runs, .. } = &found[0].plan.input("input_ids").unwrap().values else {
            panic!("the text has placeholders")
        };
        assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn a_wording_for_every_sense_changes_all_of_them_first() {
        let text = "Multimodal features and tokens do not match, tokens: 8, features: 2";
        let found = counted(&card(), &plan(), &finding(text));
        assert_eq!(runs(&found[0].plan), [(1, 1), (3, 1)]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_sense_without_placeholders_gets_some() {
        let text = "Audio features and audio tokens do not match, tokens: 0, features: 10";
        let found = counted(&card(), &plan(), &finding(text));
        assert_eq!(runs(&found[0].plan), [(1, 4), (6, 4), (11, 5)]);
    }

    #[test]
    fn a_video_that_takes_the_places_of_an_image_is_left_out() {
        let mut plan = plan();
        for name in ["pixel_values", "pixel_values_videos"] {
            let mut pixels = plan.inputs[0].clone();
            pixels.name = name.into();
            plan.inputs.push(pixels);
        }
        let mut ignored = finding("");
        assert!(alone(&plan, &ignored).is_none());
        ignored.signature = Signature::phrase("reference ignores input pixel_values");
        let found = alone(&plan, &ignored).unwrap();
        assert!(found.plan.input("pixel_values_videos").is_none());
        assert_eq!(runs(&found.plan), [(1, 4)]);
    }

    #[test]
    fn fewer_features_of_an_unknown_number_are_tried() {
        let found = counted(
            &card(),
            &plan(),
            &finding(&format!("Number of elements of {SHORT}")),
        );
        assert_eq!(runs(&found[0].plan), [(1, 1), (3, 4)]);
    }
}

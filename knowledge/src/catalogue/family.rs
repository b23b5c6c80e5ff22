//! The architecture family of a type, from what its classes take and which tasks they serve.

use std::collections::BTreeSet;

use portwright_core::{Family, job::IntrospectedModel, modality};
use serde_json::{Map, Value};

/// A table of the sizes of images, which a class takes for nothing else.
const IMAGE_TABLE: &str = "grid_thw";

/// Auto classes whose models speak.
const SPEAKS: [&str; 2] = [
    "AutoModelForTextToWaveform",
    "AutoModelForTextToSpectrogram",
];
/// Auto classes whose models read more than text.
const READS_MORE: [&str; 2] = ["AutoModelForImageTextToText", "AutoModelForMultimodalLM"];

/// Classifies a type.
pub fn family(classes: &[IntrospectedModel], defaults: &Map<String, Value>) -> Family {
    let Some(main) = main_class(classes) else {
        return Family::Component;
    };
    let serves = |autos: &[&str]| {
        classes
            .iter()
            .any(|class| autos.iter().any(|auto| leads(auto, class)))
    };
    let flag = |name: &str| defaults.get(name).and_then(Value::as_bool).unwrap_or(false);

    let mut carried = taken(main);
    let declared = declared(main);
    if carried.is_empty() {
        // The names say nothing, as with `hidden_states`. A part inherits `text` from the whole that it belongs to.
        carried = declared.clone();
        if carried.len() > 1 {
            carried.remove("text");
        }
    } else if carried.len() == 1 && carried.contains("text") {
        // What stands in `input_ids` need not be text: a class that says so is believed where it says nothing else, or
        // where the type serves a task for it.
        if !declared.contains("text") || serves(&READS_MORE) {
            carried.extend(&declared);
        }
        if !declared.is_empty() && !declared.contains("text") {
            carried.remove("text");
        }
    }
    let has = |modality: &str| carried.contains(modality);
    let sees = has("image");
    let speaks = serves(&SPEAKS)
        || (serves(&["AutoModelForSpeechSeq2Seq"]) && !taken(main).contains("audio"));
    match carried.len() {
        _ if has("time") => Family::TimeSeries,
        _ if speaks && !sees => Family::Speech,
        2.. => Family::Multimodal,
        _ if sees => Family::Vision,
        _ if has("audio") => Family::Speech,
        _ if flag("is_encoder_decoder") || serves(&["AutoModelForSeq2SeqLM"]) => {
            Family::EncoderDecoder
        }
        _ if !serves(&["AutoModelForMaskedLM"])
            && (serves(&["AutoModelForCausalLM"])
                || has("text") && takes(main, &["past_key_values"])) =>
        {
            Family::DecoderOnly
        }
        _ if has("text") || main.main_input == "input_ids" => Family::EncoderOnly,
        _ => Family::Component,
    }
}

/// What the inputs of a type's classes carry: what they declare, or else what the names of their parameters say.
pub fn modalities(classes: &[IntrospectedModel]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for class in classes {
        let said: Vec<&str> = if class.modalities.is_empty() {
            taken(class).into_iter().collect()
        } else {
            class.modalities.iter().map(String::as_str).collect()
        };
        for name in said {
            if !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The class that a port of the type means: that of `AutoModel`, or the first that another auto class leads to.
fn main_class(classes: &[IntrospectedModel]) -> Option<&IntrospectedModel> {
    classes
        .iter()
        .find(|class| leads("AutoModel", class))
        .or_else(|| classes.iter().find(|class| !class.auto_classes.is_empty()))
}

/// The modalities that the names of a class's parameters show. An encoder-decoder for speech or images takes token ids
/// only for its decoder, which carries no modality of its own.
fn taken(class: &IntrospectedModel) -> BTreeSet<&str> {
    class
        .parameters
        .iter()
        .filter_map(|parameter| match parameter.name.as_str() {
            IMAGE_TABLE => Some("image"),
            name => modality::carried(name),
        })
        .collect()
}

/// The modalities that a class declares; a video is a row of images.
fn declared(class: &IntrospectedModel) -> BTreeSet<&str> {
    let names = class.modalities.iter().map(String::as_str);
    names
        .map(|name| if name == "video" { "image" } else { name })
        .collect()
}

fn takes(class: &IntrospectedModel, names: &[&str]) -> bool {
    class
        .parameters
        .iter()
        .any(|parameter| names.contains(&parameter.name.as_str()))
}

fn leads(auto: &str, class: &IntrospectedModel) -> bool {
    class.auto_classes.iter().any(|name| name == auto)
}

/// The task that an auto class stands for: `AutoModel` is `base`, `AutoModelForSeq2SeqLM` is `seq2seq-lm`.
pub fn task(auto_class: Option<&str>) -> String {
    let Some(auto) = auto_class else {
        return "component".into();
    };
    let rest = auto.strip_prefix("AutoModel").unwrap_or(auto);
    let rest = rest.strip_prefix("For").unwrap_or(rest);
    if rest.is_empty() {
        return "base".into();
    }
    let chars: Vec<char> = rest.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        // A capital begins a word, unless it continues an abbreviation such as `LM`, or follows one as in `Seq2SeqLM`.
        let after_lower = i > 0 && chars[i - 1].is_lowercase();
        let before_lower = i > 0
            && chars[i - 1].is_uppercase()
            && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use portwright_core::job::IntrospectedParameter;
    use serde_json::json;

    use super::*;

    fn class(auto: &[&str], inputs: &[&str]) -> IntrospectedModel {
        IntrospectedModel {
            name: "M".into(),
            module: "m".into(),
            file: "m.py".into(),
            auto_classes: auto.iter().map(|a| (*a).to_owned()).collect(),
            main_input: inputs[0].into(),
            parameters: inputs
                .iter()
                .map(|name| IntrospectedParameter {
                    name: (*name).into(),
                    required: false,
                    default: None,
                })
                .collect(),
            methods: vec![],
            session: None,
            modalities: vec![],
            generates: false,
            ignores_config: false,
        }
    }

    fn of(classes: &[IntrospectedModel], defaults: Value) -> Family {
        family(classes, defaults.as_object().unwrap())
    }

    #[test]
    fn a_type_with_a_causal_head_alone_is_decoder_only() {
        let base = class(&["AutoModel"], &["input_ids"]);
        let causal = class(&["AutoModelForCausalLM"], &["input_ids"]);
        let masked = class(&["AutoModelForMaskedLM"], &["input_ids"]);
        assert_eq!(
            of(&[base.clone(), causal.clone()], json!({})),
            Family::DecoderOnly
        );
        assert_eq!(of(&[base, causal, masked], json!({})), Family::EncoderOnly);
    }

    #[test]
    fn what_a_type_takes_decides_the_other_families() {
        let text = class(&["AutoModel"], &["input_ids"]);
        let image = class(&["AutoModel"], &["pixel_values"]);
        let both = class(&["AutoModel"], &["input_ids", "pixel_values"]);
        let audio = class(&["AutoModel"], &["input_features", "decoder_input_ids"]);
        assert_eq!(
            of(&[text], json!({"is_encoder_decoder": true})),
            Family::EncoderDecoder
        );
        assert_eq!(of(&[image], json!({})), Family::Vision);
        assert_eq!(of(&[both], json!({})), Family::Multimodal);
        assert_eq!(
            of(&[audio], json!({"is_encoder_decoder": true})),
            Family::Speech
        );
        assert_eq!(of(&[class(&[], &["x"])], json!({})), Family::Component);
    }

    #[test]
    fn a_decoder_without_a_head_keeps_a_cache() {
        let body = class(&["AutoModel"], &["input_ids", "past_key_values"]);
        assert_eq!(
            of(std::slice::from_ref(&body), json!({})),
            Family::DecoderOnly
        );
        assert_eq!(
            of(
                std::slice::from_ref(&body),
                json!({"is_encoder_decoder": true})
            ),
            Family::EncoderDecoder
        );
        let masked = class(&["AutoModelForMaskedLM"], &["input_ids"]);
        assert_eq!(of(&[body, masked], json!({})), Family::EncoderOnly);
    }

    #[test]
    fn what_speaks_is_speech_though_it_takes_text() {
        let base = class(&["AutoModel", "AutoModelForTextToWaveform"], &["input_ids"]);
        assert_eq!(of(&[base], json!({})), Family::Speech);
        let sees = class(
            &["AutoModelForTextToWaveform"],
            &["input_ids", "pixel_values"],
        );
        assert_eq!(of(&[sees], json!({})), Family::Multimodal);
    }

    #[test]
    fn a_declaration_says_what_the_names_of_the_parameters_do_not() {
        let declaring = |inputs: &[&str], autos: &[&str], modalities: &[&str]| {
            let mut class = class(autos, inputs);
            class.modalities = modalities.iter().map(|m| (*m).to_owned()).collect();
            of(&[class], json!({}))
        };
        let base = &["AutoModel"][..];
        let reads = &["AutoModel", "AutoModelForImageTextToText"][..];
        for (inputs, autos, modalities, expected) in [
            // Pixels as tokens.
            ("input_ids", base, &["image"][..], Family::Vision),
            (
                "hidden_states",
                base,
                &["image", "video", "text"],
                Family::Vision,
            ),
            // The text part of a composite inherits the declaration of the whole.
            ("input_ids", base, &["image", "text"], Family::EncoderOnly),
            ("input_ids", reads, &["image", "text"], Family::Multimodal),
        ] {
            assert_eq!(
                declaring(&[inputs], autos, modalities),
                expected,
                "{inputs} {modalities:?}"
            );
        }
    }

    #[test]
    fn only_a_type_with_a_class_for_a_task_has_a_family_of_its_own() {
        let task = class(&["AutoModelForObjectDetection"], &["pixel_values"]);
        assert_eq!(of(&[task], json!({})), Family::Vision);
        assert_eq!(
            of(&[class(&[], &["pixel_values"])], json!({})),
            Family::Component
        );
    }

    #[test]
    fn modalities_are_declared_or_read_from_the_names() {
        let mut declaring = class(&["AutoModel"], &["hidden_states"]);
        declaring.modalities = vec!["video".into()];
        let text = class(&[], &["input_ids", "attention_mask"]);
        assert_eq!(modalities(&[text, declaring]), ["text", "video"]);
    }

    #[test]
    fn an_auto_class_reads_as_a_task() {
        assert_eq!(task(Some("AutoModel")), "base");
        assert_eq!(task(Some("AutoModelForSeq2SeqLM")), "seq2seq-lm");
        assert_eq!(task(Some("AutoModelForCausalLM")), "causal-lm");
        assert_eq!(task(Some("AutoModelForCTC")), "ctc");
        assert_eq!(
            task(Some("AutoModelForImageTextToText")),
            "image-text-to-text"
        );
        assert_eq!(task(None), "component");
    }
}

//! The architecture family of a type, from what its classes take and which tasks they serve.

use portwright_core::{Family, job::IntrospectedModel};
use serde_json::{Map, Value};

/// Classifies a type.
pub fn family(classes: &[IntrospectedModel], defaults: &Map<String, Value>) -> Family {
    let Some(main) = classes
        .iter()
        .find(|class| serves(class, "AutoModel"))
        .or_else(|| classes.iter().find(|class| !class.auto_classes.is_empty()))
    else {
        return Family::Component;
    };
    let takes = |class: &IntrospectedModel, name: &str| {
        class
            .parameters
            .iter()
            .any(|parameter| parameter.name == name)
    };
    let any_serves = |auto: &str| classes.iter().any(|class| serves(class, auto));
    let flag = |name: &str| defaults.get(name).and_then(Value::as_bool).unwrap_or(false);

    let text = takes(main, "input_ids");
    let image = main
        .parameters
        .iter()
        .any(|p| p.name.starts_with("pixel_values") || p.name == "image" || p.name == "images");
    let audio = takes(main, "input_values") || takes(main, "input_features");
    let series = takes(main, "past_values");
    // An encoder-decoder for speech takes token ids only for its decoder, which carries no modality of its own.
    match [text, image, audio].iter().filter(|m| **m).count() {
        _ if series => Family::TimeSeries,
        2.. => Family::Multimodal,
        _ if image => Family::Vision,
        _ if audio => Family::Speech,
        _ if flag("is_encoder_decoder") || any_serves("AutoModelForSeq2SeqLM") => {
            Family::EncoderDecoder
        }
        _ if any_serves("AutoModelForCausalLM") && !any_serves("AutoModelForMaskedLM") => {
            Family::DecoderOnly
        }
        _ if text || main.main_input == "input_ids" => Family::EncoderOnly,
        _ => Family::Component,
    }
}

fn serves(class: &IntrospectedModel, auto: &str) -> bool {
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
            modalities: vec![],
            generates: false,
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

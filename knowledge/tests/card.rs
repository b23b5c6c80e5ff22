//! A card from a small library on disk and an introspection of it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use portwright_core::{Family, InterfaceCard, job::Introspection};
use portwright_knowledge::{
    card::{self, CardError},
    propose::{ProposeOptions, propose},
    tracing::Sources,
};
use serde_json::json;

fn library() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/library")
}

fn seen() -> Introspection {
    let file = |name: &str| library().join("models/small").join(name);
    serde_json::from_value(json!({
        "model_type": "small",
        "library_version": "5.0.0",
        "config_class": {
            "name": "SmallConfig",
            "module": "transformers.models.small.configuration_small",
            "file": file("configuration_small.py"),
        },
        "defaults": {
            "model_type": "small", "vocab_size": 30000, "hidden_size": 768, "num_kv_heads": 12,
            // The parent asks for a deeper part than the part's own default.
            "part_config": {"model_type": "part", "width": 512, "depth": 24},
        },
        "attribute_map": {},
        "sub_configs": {"part_config": {"class": "PartConfig", "defaults": {}, "attribute_map": {}}},
        "classes": [{
            "name": "SmallModel",
            "module": "transformers.models.small.modeling_small",
            "file": file("modeling_small.py"),
            "auto_classes": ["AutoModel"],
            "main_input": "input_ids",
            "parameters": [
                {"name": "input_ids", "required": false, "default": "None"},
                {"name": "attention_mask", "required": false, "default": "None"},
            ],
            "modalities": ["text"],
        }],
    }))
    .unwrap()
}

fn assembled() -> InterfaceCard {
    card::assemble(&seen(), &Sources::new(library(), None)).unwrap()
}

#[test]
fn every_fact_carries_its_file_and_line() {
    let card = assembled();
    let field = card.field("hidden_size").unwrap();
    let source = field.source.as_ref().unwrap();
    assert_eq!(source.file, "models/small/configuration_small.py");
    assert_eq!(source.line, 9);
    assert_eq!(field.annotation.as_deref(), Some("int"));
    let class = card.class("SmallModel").unwrap();
    assert_eq!(class.source.line, 8);
    assert_eq!(class.inputs[1].source.line, 13);
    assert_eq!(card.family, Family::EncoderOnly);
}

#[test]
fn outputs_are_read_from_the_annotation_through_another_file() {
    let card = assembled();
    let outputs = &card.class("SmallModel").unwrap().outputs;
    assert_eq!(outputs, &["pooler_output", "last_hidden_state"]);
}

#[test]
fn a_nested_configuration_is_traced_in_its_own_file() {
    let card = assembled();
    let part = &card.sub_configs["part_config"];
    assert_eq!(part.attribute_map["hidden_size"], "width");
    let width = part.fields.iter().find(|field| field.name == "width");
    let source = width.unwrap().source.as_ref().unwrap();
    assert_eq!(source.file, "models/part/configuration_part.py");
}

#[test]
fn a_field_declared_by_its_common_name_is_kept_by_its_own() {
    let mut seen = seen();
    seen.attribute_map = [("hidden_size".to_owned(), "n_embd".to_owned())].into();
    let width = seen.defaults.remove("hidden_size").unwrap();
    seen.defaults.insert("n_embd".into(), width);
    let card = card::assemble(&seen, &Sources::new(library(), None)).unwrap();
    assert_eq!(
        card.field("n_embd").unwrap().source.as_ref().unwrap().line,
        9
    );
    assert_eq!(card.field("hidden_size").unwrap().name, "n_embd");
}

#[test]
fn a_nested_override_says_its_type_and_a_computed_field_is_left_alone() {
    let plan = propose(&assembled(), &ProposeOptions::default()).unwrap();
    assert_eq!(
        plan.config["part_config"],
        json!({"model_type": "part", "depth": 2, "width": 64})
    );
    assert!(!plan.config.contains_key("num_kv_heads"));
}

#[test]
fn a_type_without_a_model_class_is_said_so() {
    let mut seen = seen();
    seen.classes.clear();
    let error = card::assemble(&seen, &Sources::new(library(), None)).unwrap_err();
    assert!(matches!(error, CardError::NoClass { .. }));
}

#[test]
fn a_broken_source_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("configuration_small.py");
    std::fs::write(&file, "class SmallConfig:\n    def broken(\n").unwrap();
    let mut seen = seen();
    seen.config_class.file = file.to_string_lossy().into_owned();
    let sources = Sources::new(library(), Some(folder.path().to_owned()));
    let error = card::assemble(&seen, &sources).unwrap_err();
    assert!(
        error.to_string().starts_with("configuration_small.py:"),
        "{error}"
    );
}

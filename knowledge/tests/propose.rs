//! Proposals from real cards: small, coherent, and different from the defaults only where that makes them small.
#![allow(clippy::unwrap_used)]

use portwright_core::{InterfaceCard, PortPlan, plan::Values};
use portwright_knowledge::propose::{ProposeError, ProposeOptions, propose};
use serde_json::json;

fn card(name: &str) -> InterfaceCard {
    let path = format!(
        "{}/tests/fixtures/card_{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn plan(name: &str) -> PortPlan {
    propose(&card(name), &ProposeOptions::default()).unwrap()
}

fn names(plan: &PortPlan) -> Vec<&str> {
    plan.inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect()
}

#[test]
fn an_encoder_is_ported_through_its_base_class_with_its_masks() {
    let plan = plan("bert");
    assert_eq!(
        (plan.class.as_str(), plan.task.as_str()),
        ("BertModel", "base")
    );
    assert_eq!(
        names(&plan),
        ["input_ids", "attention_mask", "token_type_ids"]
    );
    assert_eq!(plan.input("attention_mask").unwrap().values, Values::Mask);
    assert_eq!(plan.config["hidden_size"], json!(64));
}

#[test]
fn a_decoder_is_ported_through_its_causal_head_without_a_cache() {
    let plan = plan("llama");
    assert_eq!(plan.task, "causal-lm");
    assert_eq!(plan.call["use_cache"], json!(false));
    // What the class computes from other fields is left to it.
    assert!(!plan.config.contains_key("head_dim"));
    assert!(!plan.config.contains_key("num_key_value_heads"));
}

#[test]
fn an_encoder_decoder_gets_inputs_for_both_sides() {
    let plan = plan("t5");
    assert_eq!(plan.task, "seq2seq-lm");
    assert_eq!(
        names(&plan),
        [
            "input_ids",
            "attention_mask",
            "decoder_input_ids",
            "decoder_attention_mask"
        ]
    );
    assert_eq!(plan.config["d_kv"], json!(16));
}

#[test]
fn a_hierarchical_image_model_gets_an_image_that_its_stages_can_halve() {
    let plan = plan("swin");
    assert_eq!(names(&plan), ["pixel_values"]);
    let (image, patch) = (plan.config["image_size"].as_u64().unwrap(), 4);
    assert_eq!(image % (patch << 3), 0);
    assert_eq!(plan.config["depths"].as_array().unwrap().len(), 4);
}

#[test]
fn token_values_avoid_special_ids_and_stay_inside_the_vocabulary() {
    for name in ["bert", "llama", "t5"] {
        let plan = plan(name);
        let vocabulary = plan.config["vocab_size"].as_i64().unwrap();
        let Values::Integer { low, high } = plan.input("input_ids").unwrap().values else {
            panic!("tokens are whole numbers");
        };
        assert!(low >= 1 && high <= vocabulary, "{name}: {low}..{high}");
    }
}

#[test]
fn a_plan_says_only_what_differs_from_the_defaults() {
    for name in ["bert", "llama", "t5", "swin"] {
        let card = card(name);
        for (field, value) in &plan(name).config {
            let default = &card.field(field).unwrap().default;
            assert_ne!(default, value, "{name}.{field}");
        }
    }
}

#[test]
fn the_task_and_the_variant_are_obeyed() {
    let options = ProposeOptions {
        task: Some("masked-lm".into()),
        variant: json!({"hidden_act": "relu"}).as_object().unwrap().clone(),
        class: None,
    };
    let plan = propose(&card("bert"), &options).unwrap();
    assert_eq!(plan.class, "BertForMaskedLM");
    assert_eq!(plan.config["hidden_act"], json!("relu"));
}

#[test]
fn an_unknown_task_names_the_known_ones() {
    let options = ProposeOptions {
        task: Some("cooking".into()),
        ..ProposeOptions::default()
    };
    let error = propose(&card("bert"), &options).unwrap_err();
    assert!(matches!(error, ProposeError::NoTask { .. }));
    assert!(error.to_string().contains("masked-lm"), "{error}");
}

#[test]
fn a_proposal_survives_its_toml_form() {
    for name in ["bert", "llama", "t5", "swin"] {
        let plan = plan(name);
        let text = plan.to_toml().unwrap();
        assert_eq!(PortPlan::from_toml(&text).unwrap(), plan, "{text}");
    }
}

#[test]
fn rows_of_patches_come_with_the_grid_that_divides_them() {
    let plan = plan("qwen2_5_vl_vision");
    assert_eq!(names(&plan), ["hidden_states", "grid_thw"]);
    let Values::Listed { values } = &plan.input("grid_thw").unwrap().values else {
        panic!("the grid is not listed");
    };
    let rows = plan.input("hidden_states").unwrap().shape[0]
        .named()
        .unwrap();
    assert_eq!(values[0], 1);
    assert_eq!(values[1] * values[2], i64::try_from(rows.1).unwrap());
}

#[test]
fn a_forecast_gets_its_length_and_both_sides_of_its_window() {
    let plan = plan("informer");
    assert_eq!(plan.config["prediction_length"], json!(16));
    for name in [
        "past_values",
        "past_time_features",
        "past_observed_mask",
        "future_values",
    ] {
        assert!(plan.input(name).is_some(), "{name}");
    }
}

#[test]
fn a_small_backbone_still_hands_on_as_many_layers() {
    let plan = plan("depth_anything");
    let backbone = &plan.config["backbone_config"];
    assert_eq!(backbone["out_indices"], json!([1, 2, 3, 4]));
    assert_eq!(backbone["num_hidden_layers"], json!(4));
    // What the parent chose is said again.
    assert_eq!(backbone["reshape_hidden_states"], json!(false));
}

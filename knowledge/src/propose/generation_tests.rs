//! Recipes from real cards, in which the classes that generate are marked.

use portwright_core::plan::Dtype;
use serde_json::json;

use super::*;
use crate::propose::{ProposeOptions, propose};

fn card(name: &str, generating: &[&str]) -> InterfaceCard {
    let path = format!(
        "{}/tests/fixtures/card_{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut card: InterfaceCard =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for class in &mut card.classes {
        class.generates = generating.contains(&class.name.as_str());
    }
    card
}

fn plan(card: &InterfaceCard) -> PortPlan {
    propose(card, &ProposeOptions::default()).unwrap()
}

fn recipe(card: &InterfaceCard) -> GenerationPlan {
    generation(card, &plan(card)).unwrap().unwrap()
}

#[test]
fn a_type_without_a_generating_class_has_no_recipe() {
    let card = card("bert", &[]);
    assert!(generation(&card, &plan(&card)).unwrap().is_none());
}

#[test]
fn a_class_that_takes_and_returns_no_cache_has_no_recipe() {
    let mut card = card("llama", &["LlamaForCausalLM"]);
    let found = plan(&card);
    assert_eq!(cacheless(&card), None);
    for class in &mut card.classes {
        class.inputs.retain(|input| !is_cache(&input.name));
    }
    // What it takes beside its named parameters may be a cache, as long as it returns one.
    assert!(generation(&card, &found).unwrap().is_some());
    for class in &mut card.classes {
        class.outputs.retain(|output| !is_cache(output));
    }
    assert!(generation(&card, &found).unwrap().is_none());
    assert_eq!(cacheless(&card), Some("LlamaForCausalLM"));
}

#[test]
fn a_decoder_splits_its_tokens_and_grows_its_mask() {
    let recipe = recipe(&card("llama", &["LlamaForCausalLM"]));
    assert_eq!(
        (recipe.axis.as_str(), recipe.plan.class.as_str()),
        ("sequence", "LlamaForCausalLM")
    );
    assert_eq!(recipe.feeds["input_ids"], Feed::Own { place: 1 });
    assert_eq!(recipe.feeds["attention_mask"], Feed::SoFar { place: 1 });
    assert_eq!(recipe.plan.call["use_cache"], json!(false));
    recipe.plan.validate().unwrap();
}

#[test]
fn no_token_is_padding() {
    let recipe = recipe(&card("llama", &["LlamaForCausalLM"]));
    assert_eq!(
        recipe.plan.input("attention_mask").unwrap().values,
        Values::Constant { value: 1.0 }
    );
}

#[test]
fn an_encoder_decoder_generates_its_target_and_keeps_its_encoders_mask() {
    let recipe = recipe(&card("t5", &["T5ForConditionalGeneration"]));
    assert_eq!(recipe.axis, "target");
    assert_eq!(recipe.feeds["input_ids"], Feed::Once);
    assert_eq!(recipe.feeds["attention_mask"], Feed::Always);
    assert_eq!(recipe.feeds["decoder_input_ids"], Feed::Own { place: 1 });
    assert_eq!(
        recipe.plan.input("attention_mask").unwrap().values,
        Values::Mask
    );
}

#[test]
fn config_and_weights_stay_as_they_were_found() {
    let card = card("llama", &["LlamaForCausalLM"]);
    let found = plan(&card);
    let recipe = generation(&card, &found).unwrap().unwrap();
    assert_eq!(recipe.plan.config, found.config);
    assert_eq!(recipe.plan.weights, found.weights);
}

#[test]
fn a_plan_for_another_class_is_carried_over_to_the_one_that_generates() {
    let card = card("llama", &["LlamaForCausalLM"]);
    let options = ProposeOptions {
        class: Some("LlamaModel".into()),
        ..ProposeOptions::default()
    };
    let base = propose(&card, &options).unwrap();
    let recipe = generation(&card, &base).unwrap().unwrap();
    assert_eq!(recipe.plan.class, "LlamaForCausalLM");
    assert_eq!(recipe.plan.task, "causal-lm");
}

#[test]
fn an_encoder_generates_only_where_its_configuration_makes_it_a_decoder() {
    let mut card = card("bert", &["BertForMaskedLM"]);
    let class = card.classes.iter_mut().find(|class| class.generates);
    let class = class.unwrap();
    class.task = "causal-lm".into();
    class.outputs.push("past_key_values".into());
    let mut found = plan(&card);
    assert!(generation(&card, &found).unwrap().is_none());
    found.config.insert("is_decoder".into(), json!(true));
    assert!(generation(&card, &found).unwrap().is_some());
}

#[test]
fn a_short_target_is_made_long_enough_for_a_prefill_and_two_steps() {
    let card = card("llama", &["LlamaForCausalLM"]);
    let mut short = plan(&card);
    short.dims.insert(
        "sequence".into(),
        Dim {
            example: 3,
            other: Some(4),
        },
    );
    let recipe = generation(&card, &short).unwrap().unwrap();
    let tokens = &recipe.plan.dims["sequence"];
    assert!(tokens.example >= 6 && tokens.other > Some(tokens.example));
}

#[test]
fn tokens_without_a_named_size_are_refused_with_a_hint() {
    let card = card("llama", &["LlamaForCausalLM"]);
    let mut fixed = plan(&card);
    for input in &mut fixed.inputs {
        assert_eq!(input.dtype, Dtype::Int64);
        input.shape = vec![Axis::Fixed(2), Axis::Fixed(8)];
    }
    let error = generation(&card, &fixed).unwrap_err();
    assert!(error.to_string().contains("LlamaForCausalLM"));
    assert!(error.hint().contains("named size"));
}

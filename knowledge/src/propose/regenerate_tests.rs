//! Other recipes from a real card and findings as they are met.

use portwright_core::{Backend, Signature, plan::Axis};

use super::*;
use crate::propose::{ProposeOptions, generation, propose};

fn card() -> InterfaceCard {
    let path = format!(
        "{}/tests/fixtures/card_llama.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut card: InterfaceCard =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for class in &mut card.classes {
        class.generates = class.task == "causal-lm";
    }
    card
}

fn recipe(card: &InterfaceCard) -> GenerationPlan {
    let plan = propose(card, &ProposeOptions::default()).unwrap();
    generation(card, &plan).unwrap().unwrap()
}

fn finding(stage: Stage, message: &str) -> Finding {
    Finding {
        stage,
        backend: Some(Backend::TORCH_CPU),
        signature: Signature::phrase("values differ"),
        message: message.into(),
        error: None,
        hint: None,
    }
}

#[test]
fn a_decoder_that_counts_from_zero_is_given_the_places_of_its_tokens() {
    let card = card();
    let recipe = recipe(&card);
    let found = generation_instead(&card, &recipe, &finding(Stage::Compare, "too far"));
    let [other] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(other.recipe.feeds[POSITIONS], Feed::Own { place: 1 });
    let spec = other.recipe.plan.input(POSITIONS).unwrap();
    assert_eq!(spec.values, Values::Range);
    let again = finding(Stage::Compare, "too far");
    assert!(generation_instead(&card, &other.recipe, &again).is_empty());
}

#[test]
fn what_an_error_misses_is_given_to_every_step() {
    let card = card();
    let mut recipe = recipe(&card);
    recipe.plan.inputs.push(InputSpec {
        name: "pixel_values".into(),
        dtype: Dtype::Float32,
        shape: vec![Axis::Named("batch".into()), Axis::Fixed(3)],
        values: Values::Normal {
            mean: 0.0,
            std: 1.0,
        },
        modality: "image".into(),
    });
    recipe.feeds.insert("pixel_values".into(), Feed::Once);
    let missed = finding(
        Stage::Execute,
        "Exactly 1 of pixel_values or image_embeddings has to be not-None.",
    );
    let found = generation_instead(&card, &recipe, &missed);
    assert_eq!(found[0].recipe.feeds["pixel_values"], Feed::Always);
    assert!(found[0].reason.contains("`pixel_values`"));
    let other = finding(Stage::Execute, "no pixel_values_videos were given");
    let found = generation_instead(&card, &recipe, &other);
    assert!(
        found
            .iter()
            .all(|other| other.recipe.feeds["pixel_values"] == Feed::Once)
    );
}

#[test]
fn what_does_not_instantiate_has_no_other_recipe() {
    let card = card();
    let recipe = recipe(&card);
    let met = finding(Stage::Instantiate, "no such field");
    assert!(generation_instead(&card, &recipe, &met).is_empty());
}

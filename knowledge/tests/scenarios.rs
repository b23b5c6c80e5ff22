//! Scenario folders: a card and a finding, and the change that must be among the first proposed.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use portwright_core::{Finding, InterfaceCard};
use portwright_knowledge::{
    propose::{ProposeOptions, propose},
    rules,
    search::{self, Candidate, Frontier},
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Expected {
    /// The fixture's name.
    card: String,
    /// How many candidates may come before it.
    within: usize,
    /// Pointers into the candidate's plan as JSON, and what stands there; `null` for nothing.
    plan: serde_json::Map<String, Value>,
}

fn card(name: &str) -> InterfaceCard {
    let path = format!(
        "{}/tests/fixtures/card_{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn fits(candidate: &Candidate, expected: &Expected) -> bool {
    let plan = serde_json::to_value(&candidate.plan).unwrap();
    expected
        .plan
        .iter()
        .all(|(pointer, value)| plan.pointer(pointer).unwrap_or(&Value::Null) == value)
}

#[test]
fn every_scenario_finds_its_change() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let finding: Finding = serde_json::from_str(&read("finding.json")).unwrap();
        let expected: Expected = serde_json::from_str(&read("expected.json")).unwrap();
        let card = card(&expected.card);
        let plan = propose(&card, &ProposeOptions::default()).unwrap();
        let mut found = rules::candidates(&card, &plan, &finding);
        found.extend(search::candidates(&card, &plan, &finding, &[]));
        let position = found
            .iter()
            .position(|candidate| fits(candidate, &expected));
        let keys: Vec<_> = found.iter().map(|c| &c.adaptation).collect();
        assert!(
            position.is_some_and(|position| position < expected.within),
            "{}: at {position:?} of {keys:#?}",
            folder.display()
        );
        count += 1;
    }
    assert!(count >= 7);
}

#[test]
fn the_search_ends_and_never_proposes_a_plan_twice() {
    let card = card("llama");
    let finding: Finding = serde_json::from_value(serde_json::json!({
        "stage": "forward", "signature": "ValueError: no @ forward", "message": "ValueError: no"
    }))
    .unwrap();
    let mut frontier = Frontier::default();
    let mut plan = propose(&card, &ProposeOptions::default()).unwrap();
    let mut seen = vec![search::recipe(&plan).unwrap()];
    loop {
        frontier.observe(&card, &plan, &finding);
        let Some(candidate) = frontier.advance() else {
            break;
        };
        plan = candidate.plan;
        // Nor what does the same and was only come to in another way.
        let digest = search::recipe(&plan).unwrap();
        assert!(!seen.contains(&digest));
        seen.push(digest);
        assert!(seen.len() < 200, "the search does not end");
    }
    assert!(seen.len() > 3);
}

#[test]
fn tried_plans_are_left_out() {
    let card = card("bert");
    let plan = propose(&card, &ProposeOptions::default()).unwrap();
    let finding: Finding = serde_json::from_value(serde_json::json!({
        "stage": "compare", "backend": "onnxruntime", "signature": "x", "message": "x"
    }))
    .unwrap();
    let all = search::candidates(&card, &plan, &finding, &[]);
    let first = search::recipe(&all[0].plan).unwrap();
    let rest = search::candidates(&card, &plan, &finding, std::slice::from_ref(&first));
    assert_eq!(rest.len(), all.len() - 1);
}

#[test]
fn a_list_whose_loop_gives_nothing_gets_an_entry_that_changes_nothing() {
    let mut card = card("llama");
    let mut field = card.config_fields[0].clone();
    field.name = "projector_scale_factors".into();
    field.default = serde_json::json!([]);
    field.declared = None;
    card.config_fields.push(field);
    let finding: Finding = serde_json::from_value(serde_json::json!({
        "stage": "forward", "signature": "ValueError: empty",
        "message": "ValueError: torch.cat(): expected a non-empty list of Tensors"
    }))
    .unwrap();
    let plan = propose(&card, &ProposeOptions::default()).unwrap();
    let found = search::candidates(&card, &plan, &finding, &[]);
    let first = found.first().unwrap();
    assert_eq!(
        first.plan.config["projector_scale_factors"],
        serde_json::json!([1.0])
    );
}

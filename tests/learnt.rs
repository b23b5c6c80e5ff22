//! Learnt rules from end to end: what repaired one type is tried on the next, and a repair keeps only what it needs.
#![allow(clippy::unwrap_used)]

mod support;

use portwright_core::{
    Backend, RunId, Signature, Stage, event::Event, plan::Source, plan::Strategy,
};
use portwright_knowledge::rules::{
    Change,
    learnt::{Lesson, Outcome, Repair},
};
use portwright_ledger::Ledger;
use serde_json::Value;
use support::{Place, documents::undocumented, json};

const ARGS: [&str; 3] = ["--backend", "onnxruntime", "--no-commit"];

/// A type that takes some steps of the search until its axes are fixed.
fn port(place: &Place, name: &str, more: &[&str]) -> (i32, Value) {
    let folder = place.lonely_toy(name);
    place.run(&[&[folder.to_str().unwrap()][..], &ARGS, more].concat())
}

fn assert_passes((code, document): (i32, Value)) -> RunId {
    assert_eq!(document["verdicts"][0]["verdict"], "pass", "{document:#}");
    assert_eq!(code, 0);
    RunId::new(document["run"].as_str().unwrap())
}

fn ledger(place: &Place) -> Ledger {
    Ledger::open(place.path(".portwright")).unwrap()
}

/// What the fixer said in a run.
fn decisions(place: &Place, run: &RunId) -> Vec<String> {
    let events = ledger(place).events(run).unwrap();
    let said = events.into_iter().filter_map(|record| match record.event {
        Event::Decided { agent, what } if agent == "fixer" => Some(what),
        _ => None,
    });
    said.collect()
}

fn rules(place: &Place) -> Value {
    let output = place.command().args(["rules", "list", "--json"]).output();
    json(&output.unwrap())["rules"].clone()
}

#[test]
fn what_repaired_one_type_repairs_another_with_fewer_attempts() {
    let place = Place::new();
    assert_eq!(rules(&place), Value::Array(Vec::new()));
    // Before anything is known, a type that is not repaired fails, and stays so when it is asked again.
    let (code, _) = port(&place, "oak", &["--attempts", "0"]);
    assert_eq!(code, 1);
    let (_, again) = port(&place, "oak", &["--attempts", "0"]);
    assert_eq!(again["reused"], true);

    let first = assert_passes(port(&place, "elm", &[]));
    let found = rules(&place);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found[0]["state"], "candidate");
    assert_eq!(found[0]["cured"][0]["source"], "search");
    let searched = decisions(&place, &first).len();

    let second = assert_passes(port(&place, "ash", &[]));
    let reused = decisions(&place, &second).len();
    assert!(
        reused < searched,
        "{reused} attempts, not fewer than {searched}"
    );
    let found = rules(&place);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found[0]["state"], "active");
    assert_eq!(found[0]["cured"][1]["source"], "rule");

    // A pass is a pass, whatever was learnt since. A failure that a new rule answers is worked on again.
    let (_, again) = port(&place, "elm", &[]);
    assert_eq!(again["reused"], true);
    let (_, again) = port(&place, "oak", &["--attempts", "0"]);
    assert_eq!(again["reused"], false);

    let name = found[0]["name"].as_str().unwrap();
    let shown = place
        .command()
        .args(["rules", "show", name])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("elm") && shown.contains("ash"), "{shown}");
    let page = support::documents::page("json.md");
    assert_eq!(undocumented(&found[0], &page, "rule"), Vec::<String>::new());
}

#[test]
fn a_repair_keeps_only_the_changes_that_it_needs() {
    let place = Place::new();
    // The finding of this kind of model, with a cure that does more than it must.
    let (_, document) = port(&place, "elm", &["--attempts", "0"]);
    let finding = &document["verdicts"][0]["finding"];
    let run = RunId::new(document["run"].as_str().unwrap());
    let lesson = Lesson {
        repair: Repair {
            stage: Stage::Compare,
            backend: Some(Backend::ONNXRUNTIME),
            signature: Signature(finding["signature"].as_str().unwrap().to_owned()),
            changes: vec![
                Change::Strategy {
                    strategy: Strategy::TorchScript,
                },
                Change::Static,
                Change::RuntimeOptimization {
                    level: "disable".into(),
                },
            ],
        },
        outcome: Outcome::Cured,
        run: run.clone(),
        model_type: "fir".into(),
        library_version: document["library_version"].as_str().unwrap().to_owned(),
        source: Source::Person,
        reason: "it does more than it must".into(),
    };
    ledger(&place).record_lesson(&run, &lesson).unwrap();
    let run = assert_passes(port(&place, "elm", &[]));
    let said = decisions(&place, &run).join("\n");
    assert!(said.contains("without export.onnx.strategy"), "{said}");
    assert!(
        said.contains("without export.onnx.runtime_optimization"),
        "{said}"
    );
    assert!(!said.contains("without export.onnx.dynamic"), "{said}");
    // What is learnt of it is the part that was needed.
    let found = rules(&place);
    let found = found.as_array().unwrap();
    let cured = found
        .iter()
        .find(|rule| rule["cured"][0]["model_type"] == "elm");
    let changes = cured.unwrap()["repair"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
}

#[test]
fn a_rule_that_was_not_learnt_is_named() {
    let place = Place::new();
    let output = place
        .command()
        .args(["rules", "show", "learnt-x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("learnt-x") && stderr.contains("rules list"),
        "{stderr}"
    );
}

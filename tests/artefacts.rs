//! What is built for several backends, and how often, with the real exporters.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Place, json, source};

/// The steps that a run has begun whose names begin so, in their order.
fn begun(place: &Place, document: &Value, start: &str) -> Vec<String> {
    let run = document["run"].as_str().unwrap();
    let output = place.command().args(["runs", run, "--json"]).output();
    let document = json(&output.unwrap());
    let events = document["events"].as_array().unwrap().iter();
    events
        .filter(|event| event["event"] == "step-started")
        .filter_map(|event| event["step"].as_str())
        .filter(|step| step.starts_with(start))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn a_file_that_cannot_be_made_fails_every_backend_that_needs_it_and_is_tried_once() {
    let place = Place::new();
    let plan = source().join("tests/fixtures/plan-with-an-opset-that-does-not-exist.toml");
    let (code, document) = place.run(&[
        "bert",
        "-b",
        "onnxruntime,openvino",
        "--attempts",
        "0",
        "--no-commit",
        "--plan",
        plan.to_str().unwrap(),
    ]);
    assert_eq!(code, 1);
    for verdict in document["verdicts"].as_array().unwrap() {
        let finding = &verdict["finding"];
        assert_eq!(finding["stage"], "export", "{verdict:#}");
        assert_eq!(finding["backend"], verdict["backend"]);
    }
    assert_eq!(document["verdicts"].as_array().unwrap().len(), 2);
    assert_eq!(begun(&place, &document, "build"), ["build onnx"]);
}

#[test]
fn what_no_backend_of_a_port_reads_is_no_artefact_of_it() {
    let place = Place::new();
    place.toy("elm", false);
    let (code, document) = place.run(&["elm", "-b", "openvino", "--no-commit"]);
    assert_eq!(code, 0, "{document:#}");
    // The search has a skillset for every backend that can have one; the port that is built from nothing is for one alone.
    let steps = ["build onnx", "build openvino-ir", "build openvino-ir"];
    assert_eq!(begun(&place, &document, "build"), steps);
}

//! The suite of repairs from end to end: a failure is collected as it was met, repaired again, and reported.
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, fs};

use portwright_core::{
    Digest, Family, Kind, ModelType, RunId,
    sweep::{self, Row},
};
use portwright_ledger::{Ledger, NewSweep};
use serde_json::{Value, json as document};
use support::{Place, documents, json, text};

/// A finished sweep of one row: a type of which nothing was repaired.
fn swept(place: &Place) -> String {
    let folder = place.lonely_toy("oak");
    let folder = folder.to_str().unwrap();
    let args = ["--backend", "onnxruntime", "--no-commit", "--attempts", "0"];
    let (code, failed) = place.run(&[&[folder][..], &args].concat());
    assert_eq!(code, 1, "{failed:#}");
    let ledger = Ledger::open(place.path(".portwright")).unwrap();
    let sweep = ledger
        .begin_sweep(&NewSweep {
            key: Digest::of("sweep"),
            library_version: support::transformers(),
            settings: Value::Null,
            names: vec![folder.to_owned()],
        })
        .unwrap();
    let row = Row {
        schema: sweep::SCHEMA,
        name: folder.to_owned(),
        model_type: ModelType::new("oak"),
        kind: Kind::Base,
        family: Family::EncoderOnly,
        through: None,
        run: RunId::new(failed["run"].as_str().unwrap()),
        class: None,
        verdicts: serde_json::from_value(failed["verdicts"].clone()).unwrap(),
        generation: Vec::new(),
        reused: false,
        seconds: 1.0,
        cpu_seconds: BTreeMap::new(),
        peak_resident_bytes: 0,
        exercised: Vec::new(),
    };
    ledger.record_rows(&sweep.id, &[row]).unwrap();
    ledger.finish_sweep(&sweep.id).unwrap();
    sweep.id.as_str().to_owned()
}

fn suite(place: &Place, args: &[&str]) -> std::process::Output {
    place.command().arg("suite").args(args).output().unwrap()
}

#[test]
fn a_failure_of_a_sweep_becomes_a_case_and_the_ladder_is_measured_on_it() {
    let place = Place::new();
    let sweep = swept(&place);
    let collected = json(&suite(&place, &["collect", "--into", "cases", "--json"]));
    assert_eq!(collected["sweep"], sweep);
    assert_eq!(collected["cases"], document!(["oak-onnxruntime-compare"]));

    let ran = suite(&place, &["run", "cases", "--json", "--ledger", "fresh"]);
    let document = json(&ran);
    assert_eq!(ran.status.code(), Some(0), "{document:#}");
    let case = &document["cases"][0];
    assert_eq!(case["met"], true, "{case:#}");
    assert_eq!(case["repaired"], true, "{case:#}");
    assert_eq!(case["rung"], "search", "{case:#}");
    assert!(case["proposals"].as_u64().unwrap() > 0, "{case:#}");
    assert_eq!(case["tokens"], 0);
    let page = documents::page("json.md");
    assert_eq!(
        documents::undocumented(&document, &page, "suite"),
        Vec::<String>::new()
    );

    fs::write(place.path("run.json"), &ran.stdout).unwrap();
    let report = suite(&place, &["report", "run.json"]);
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("repaired by search"), "{report}");

    // With nothing allowed to be tried, nothing is repaired, and the exit code says so.
    let args = [
        "run",
        "cases",
        "--attempts",
        "0",
        "--json",
        "--ledger",
        "none",
    ];
    let none = suite(&place, &args);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(json(&none)["cases"][0]["repaired"], false);
}

#[test]
fn what_is_no_suite_is_told_with_its_cure() {
    let place = Place::new();
    let absent = suite(&place, &["run", "nowhere"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(text(&absent).contains("suite collect"), "{}", text(&absent));
    let unswept = suite(&place, &["collect"]);
    assert_eq!(unswept.status.code(), Some(2));
    assert!(text(&unswept).contains("portwright sweep"));
    fs::write(place.path("x.json"), "{}").unwrap();
    let report = suite(&place, &["report", "x.json"]);
    assert_eq!(report.status.code(), Some(2));
    assert!(text(&report).contains("suite run --json"));
}

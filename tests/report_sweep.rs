//! `portwright report` over ledgers that were written here, row by row.
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, fs};

use portwright_core::{
    Backend, Digest, Evidence, Family, Finding, Kind, ModelType, RunId, Signature, Stage, SweepId,
    Verdict,
    sweep::{self, Row},
    verdict::{BackendVerdict, OutputEvidence, Placement},
};
use portwright_ledger::{Ledger, NewSweep};
use serde_json::{Value, json};
use support::{
    Place,
    documents::{page, undocumented},
    text,
};

fn pass(backend: Backend) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict: Verdict::Pass,
        evidence: Some(Evidence {
            judge_version: 1,
            device: "CPU".into(),
            versions: BTreeMap::from([("torch".into(), "2.15.0".into())]),
            placement: Placement {
                provider: "CPU".into(),
                nodes_on_provider: 7,
                nodes: 7,
                by_provider: BTreeMap::new(),
            },
            outputs: vec![OutputEvidence {
                name: "logits".into(),
                dtype: "float32".into(),
                max_absolute: 1e-7,
                max_relative: 1e-8,
                reference_spread: 3.0,
                reference_noise: 0.0,
                difference: 1e-7,
                allowed: 0.003,
                untouched: false,
            }],
            input_sets: Vec::new(),
            sensitivity: Vec::new(),
            load_seconds: 0.1,
            latency_p50_seconds: 0.1,
            latency_p95_seconds: 0.1,
            peak_resident_bytes: 1,
            memory_slope_bytes: None,
            artefact: Digest::of("artefact"),
            artefact_bytes: 1,
            plan: Digest::of("plan"),
            isolation: "landlock".into(),
            dynamic: true,
            limits: Vec::new(),
        }),
        finding: None,
    }
}

fn not_passed(backend: Backend, verdict: Verdict, message: &str) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict,
        evidence: None,
        finding: Some(Finding {
            stage: Stage::Export,
            backend: Some(backend),
            signature: Signature::phrase("it broke"),
            message: message.into(),
            error: None,
            hint: Some("mend it".into()),
        }),
    }
}

fn row(name: &str, onnx: BackendVerdict) -> Row {
    Row {
        schema: sweep::SCHEMA,
        name: name.into(),
        model_type: ModelType::new(name),
        kind: Kind::Base,
        family: Family::DecoderOnly,
        through: None,
        run: RunId::new(format!("{name}-run")),
        class: Some("Model".into()),
        verdicts: vec![pass(Backend::TORCH_CPU), onnx],
        generation: vec![pass(Backend::TORCH_CPU)],
        reused: false,
        seconds: 3.0,
        cpu_seconds: BTreeMap::from([("introspect".into(), 1.5)]),
        peak_resident_bytes: 500 << 20,
        exercised: Vec::new(),
    }
}

/// Records a sweep in the ledger of a place, as a killed one unless `finished`.
fn record(place: &Place, names: &[&str], rows: &[Row], finished: bool) -> SweepId {
    let ledger = Ledger::open(place.path("ledger")).unwrap();
    let sweep = ledger
        .begin_sweep(&NewSweep {
            key: Digest::of("sweep"),
            library_version: "5.20.2".into(),
            settings: json!({"backends": ["torch-cpu", "onnxruntime"]}),
            names: names.iter().map(ToString::to_string).collect(),
        })
        .unwrap();
    ledger.record_rows(&sweep.id, rows).unwrap();
    if finished {
        ledger.finish_sweep(&sweep.id).unwrap();
    }
    sweep.id
}

/// Two sweeps: `gpt2` passed in the first and broke in the second.
fn with_a_regression() -> (Place, SweepId, SweepId) {
    let place = Place::new();
    let names = ["bert", "gpt2"];
    let good = |name| row(name, pass(Backend::ONNXRUNTIME));
    let first = record(&place, &names, &[good("bert"), good("gpt2")], true);
    let broken = row(
        "gpt2",
        not_passed(
            Backend::ONNXRUNTIME,
            Verdict::Fail,
            "no ops | ]]> \u{1b}[1m here",
        ),
    );
    let second = record(&place, &names, &[good("bert"), broken], true);
    (place, first, second)
}

fn report(place: &Place, args: &[&str]) -> String {
    let output = place
        .command()
        .args(["report", "--ledger", "ledger"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn document(place: &Place, args: &[&str]) -> Value {
    let args = [&["--format", "json"], args].concat();
    serde_json::from_str(&report(place, &args)).unwrap()
}

#[test]
fn a_regression_since_the_sweep_before_comes_first() {
    let (place, first, second) = with_a_regression();
    let page = report(&place, &[]);
    let notice = format!("> **1 regression since `{first}`**: `gpt2`");
    let (before, _) = page.split_once(&notice).unwrap_or_else(|| panic!("{page}"));
    assert!(
        before.contains(second.as_str()) && !before.contains("##"),
        "{page}"
    );
    for words in [
        "| onnxruntime | 1 of 2 (50.0 %) |",
        "`gpt2` on onnxruntime: pass → fail at export: `it broke`",
        "| 1 | onnxruntime | export | `it broke` | `gpt2` |",
        "Next: mend it",
    ] {
        assert!(page.contains(words), "`{words}` is not in\n{page}");
    }
    let changes = &document(&place, &[])["changes"];
    assert_eq!(changes["since"], first.as_str());
    assert_eq!(changes["newly_failing"][0]["name"], "gpt2");
}

#[test]
fn an_older_sweep_can_be_reported_on_and_has_nothing_to_compare_with() {
    let (place, first, _) = with_a_regression();
    let document = document(&place, &[first.as_str()]);
    assert_eq!(document["sweep"]["id"], first.as_str());
    assert!(document["changes"].is_null());
    assert!(report(&place, &[first.as_str()]).contains("no earlier finished sweep"));
}

#[test]
fn an_unfinished_sweep_says_how_many_names_are_missing() {
    let (place, first, second) = with_a_regression();
    let rows = [row("bert", pass(Backend::ONNXRUNTIME))];
    record(&place, &["bert", "gpt2", "t5"], &rows, false);
    let page = report(&place, &[]);
    assert!(
        page.contains("**This sweep is unfinished**: 2 names of the 3"),
        "{page}"
    );
    assert!(page.contains("| onnxruntime | 1 of 3 (33.3 %) |"), "{page}");
    // All that have ended passed, and yet nothing is said to be a hundred percent.
    assert!(!page.contains("100.0 %"), "{page}");
    // It is compared with the latest that has ended, and with another where one is named.
    assert!(page.contains(&format!("Since `{second}`")), "{page}");
    let page = report(&place, &["--since", first.as_str()]);
    assert!(page.contains(&format!("Since `{first}`")), "{page}");

    let xml = quick_junit::Report::deserialize_from_str(&report(&place, &["--format", "junit"]));
    let onnx = &xml.unwrap().test_suites[1];
    assert_eq!((onnx.tests, onnx.errors), (3, 2));
}

#[test]
fn csv_has_one_line_per_name_and_backend_and_names_its_columns_in_the_reference() {
    let (place, ..) = with_a_regression();
    let csv = report(&place, &["--format", "csv"]);
    // The header, two names on two backends, and the generation of both, which only one backend has.
    assert_eq!(csv.lines().count(), 1 + 4 + 2, "{csv}");
    let reference = page("json.md");
    let columns = csv.lines().next().unwrap().split(',');
    let unnamed: Vec<&str> = columns
        .filter(|column| !reference.contains(&format!("`{column}`")))
        .collect();
    assert_eq!(unnamed, Vec::<&str>::new());
}

#[test]
fn junit_has_a_suite_per_backend_and_survives_any_message() {
    let (place, ..) = with_a_regression();
    let text = report(&place, &["--format", "junit"]);
    assert!(!text.contains('\u{1b}'), "{text}");
    let xml = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let suites: Vec<_> = xml
        .test_suites
        .iter()
        .map(|suite| (suite.name.as_str(), suite.tests, suite.failures))
        .collect();
    assert_eq!(suites, [("torch-cpu", 4, 0), ("onnxruntime", 2, 1)]);
}

#[test]
fn the_reference_names_every_field_of_the_document() {
    let (place, ..) = with_a_regression();
    let mut document = document(&place, &[]);
    assert_eq!(document["schema"], 1);
    // Their fields are settings, packages and steps.
    document["sweep"]["settings"] = Value::Null;
    document["versions"] = Value::Null;
    for row in document["rows"].as_array_mut().unwrap() {
        row["cpu_seconds"] = Value::Null;
    }
    let missing = undocumented(&document, &page("json.md"), "");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn what_is_no_pass_raises_no_pass_count() {
    for verdict in [
        Verdict::Converted,
        Verdict::Unavailable,
        Verdict::Unsupported,
    ] {
        let place = Place::new();
        // A planted row: the verdict carries the evidence of a pass.
        let hollow = BackendVerdict {
            verdict,
            ..pass(Backend::ONNXRUNTIME)
        };
        record(&place, &["bert"], &[row("bert", hollow)], true);
        let document = document(&place, &[]);
        assert_eq!(document["totals"][1]["passed"], 0, "{verdict:?}");
        assert_eq!(document["totals"][1]["asked"], 1);
        assert_eq!(document["goals"]["auto_class"][1]["passed"], 0);
        let page = report(&place, &[]);
        assert!(page.contains("| onnxruntime | 0 of 1 (0.0 %) |"), "{page}");
    }
}

#[test]
fn a_file_holds_what_stdout_would() {
    let (place, ..) = with_a_regression();
    for format in ["markdown", "csv", "json", "junit"] {
        let printed = report(&place, &["--format", format]);
        let nothing = report(&place, &["--format", format, "--output", "report.out"]);
        assert_eq!(nothing, "");
        assert_eq!(
            fs::read_to_string(place.path("report.out")).unwrap(),
            printed
        );
    }
}

#[test]
fn errors_name_the_cure() {
    let (place, first, second) = with_a_regression();
    let cases: [(&[&str], i32, &[&str]); 5] = [
        (
            &["--ledger", "empty"],
            2,
            &["no sweep", "`portwright sweep`"],
        ),
        (
            &["--ledger", "ledger", "sweep-x"],
            2,
            &["sweep-x", first.as_str(), second.as_str()],
        ),
        (
            &["--ledger", "ledger", "--since", "sweep-x"],
            2,
            &["sweep-x", first.as_str()],
        ),
        (
            &[
                "--ledger",
                "ledger",
                first.as_str(),
                "--since",
                second.as_str(),
            ],
            2,
            &["did not begin before"],
        ),
        (
            &["--ledger", "ledger", "--output", "absent/page.md"],
            5,
            &["absent/page.md"],
        ),
    ];
    for (args, code, words) in cases {
        let output = place.command().arg("report").args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(output.stdout.is_empty(), "{}", text(&output));
        assert!(stderr.contains("hint:"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "`{word}` is not in\n{stderr}");
        }
    }
}

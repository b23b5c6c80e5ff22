//! `portwright sweep` from end to end, with the real environment and runtimes.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Child, Command, Output, Stdio};

use portwright_core::{Verdict, event::Event, sweep::Row};
use portwright_ledger::{Ledger, Sweep};
use serde_json::Value;
use support::{Place, binary, json, text, until};

/// Small, quick to export, and of three families.
const TYPES: [&str; 3] = ["bert", "gpt2", "vit"];

fn ledger(place: &Place) -> Ledger {
    Ledger::open(place.path(".portwright")).unwrap()
}

fn latest(place: &Place) -> (Sweep, Vec<Row>) {
    let ledger = ledger(place);
    let sweep = ledger.sweeps().unwrap().remove(0);
    let rows = ledger.rows(&sweep.id).unwrap();
    (sweep, rows)
}

fn sweep(place: &Place, args: &[&str]) -> Output {
    place.command().arg("sweep").args(args).output().unwrap()
}

fn start(place: &Place, args: &[&str]) -> Child {
    Command::new(binary())
        .arg("sweep")
        .args(args)
        .current_dir(place.root.path())
        .env_remove("RUST_LOG")
        .env("XDG_CONFIG_HOME", place.path("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How many steps of all runs were really done, not found.
fn work_done(place: &Place) -> usize {
    let ledger = ledger(place);
    let runs = ledger.runs().unwrap();
    let events = runs.iter().flat_map(|run| ledger.events(&run.id).unwrap());
    events
        .filter(|record| match &record.event {
            Event::StepFinished { step, reused, .. } => {
                !reused && step != "outcome" && step != "generate"
            }
            _ => false,
        })
        .count()
}

#[test]
fn types_are_swept_and_what_is_known_costs_nothing() {
    let place = Place::new();
    let first = sweep(&place, &[&TYPES[..], &["--json"]].concat());
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    let document = json(&first);
    let names: Vec<&str> = document["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, TYPES);
    let (_, rows) = latest(&place);
    for row in &rows {
        assert_eq!(row.verdicts.len(), 3, "{}", row.name);
        for verdict in &row.verdicts {
            assert_eq!(verdict.verdict, Verdict::Pass, "{verdict:#?}");
            let evidence = verdict.evidence.as_ref().unwrap();
            assert_ne!(evidence.isolation, "none");
            assert_eq!(
                evidence.placement.nodes,
                evidence.placement.nodes_on_provider
            );
        }
        assert!(row.cpu_seconds["build onnx"] > 0.0);
        assert!(row.exercised.contains(&row.name), "{:?}", row.exercised);
    }

    // Another sweep of the same: every row from the ledger.
    let done = work_done(&place);
    let again = sweep(&place, &TYPES);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let (second, rows) = latest(&place);
    assert!(rows.iter().all(|row| row.reused));
    assert_eq!(work_done(&place), done);

    // A sweep that is asked for in another way walks its way anew, and meets nothing on it that was not done before.
    let other = sweep(&place, &[&TYPES[..], &["--attempts", "3"]].concat());
    assert_eq!(other.status.code(), Some(0), "{}", text(&other));
    let (third, rows) = latest(&place);
    assert_ne!(third.id, second.id);
    assert!(
        rows.iter()
            .all(|row| !row.reused && row.cpu_seconds.is_empty())
    );
    assert_eq!(work_done(&place), done);

    let report = place
        .command()
        .args(["report", "--format", "csv"])
        .output()
        .unwrap();
    assert_eq!(report.status.code(), Some(0), "{}", text(&report));
    let csv = String::from_utf8(report.stdout).unwrap();
    for name in TYPES {
        assert!(csv.contains(name), "{csv}");
    }
}

#[test]
fn a_killed_sweep_goes_on_where_it_stopped() {
    let place = Place::new();
    let args = [&TYPES[..], &["--backend", "torch-cpu", "--jobs", "1"]].concat();
    let mut child = start(&place, &args);
    until("a first row is there", || {
        let there = place.path(".portwright/ledger.sqlite").exists()
            && ledger(&place)
                .sweeps()
                .unwrap()
                .first()
                .is_some_and(|sweep| !ledger(&place).rows(&sweep.id).unwrap().is_empty());
        let over = child.try_wait().unwrap().is_some();
        (over || there).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (killed, rows) = latest(&place);
    let kept = rows.len();
    assert!(kept >= 1);

    let again = sweep(&place, &args);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let (resumed, rows) = latest(&place);
    assert_eq!(rows.len(), TYPES.len());
    if killed.finished_ms.is_none() {
        assert_eq!(resumed.id, killed.id);
        let stderr = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(stderr.contains("goes on where it stopped"), "{stderr}");
    }
}

#[test]
fn what_one_type_meets_costs_that_type_alone() {
    let place = Place::new();
    // No job of any size fits: each type is out of memory, and the sweep still comes to its end.
    let starved = sweep(
        &place,
        &[
            "bert",
            "vit",
            "--backend",
            "torch-cpu",
            "--limit-memory",
            "60",
            "--json",
        ],
    );
    assert_eq!(starved.status.code(), Some(1), "{}", text(&starved));
    let document: Value = json(&starved);
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let verdict = &row["verdicts"][0];
        // A small job may be over before the watchdog looks, and the next one is met.
        let signature = verdict["finding"]["signature"].as_str().unwrap();
        assert!(signature.starts_with("out of memory @ "), "{verdict:#}");
        assert!(
            verdict["finding"]["hint"]
                .as_str()
                .unwrap()
                .contains("--limit-memory")
        );
    }
}

#[test]
fn a_name_that_is_no_type_is_refused_before_anything_runs() {
    let place = Place::new();
    let refused = sweep(&place, &["bert", "no-such-type"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-such-type"));
    assert!(ledger(&place).sweeps().unwrap().is_empty());
}

//! A run that is killed goes on where it stopped, and two at once do the work of one.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use portwright_core::event::Event;
use support::{
    Place, json,
    processes::{at_work, done},
    text,
};

#[test]
fn a_run_killed_at_any_point_goes_on_and_repeats_nothing() {
    let place = Place::new();
    let args = ["bert", "--backend", "onnxruntime", "--json"];
    place.kill_when(&args, "a first step is finished", |events| {
        done(events, "introspect") > 0
    });
    place.kill_when(&args, "a reference is finished", |events| {
        done(events, "reference") > 0
    });
    place.kill_when(&args, "an artefact is being built", |events| {
        at_work(events, "build onnxruntime")
    });
    place.kill_when(&args, "the fresh artefact is being run", |events| {
        done(events, "build onnxruntime") > 1
    });
    // The commit is next, and is over in some milliseconds: this kill lands before it, in it or after it.
    place.kill_when(&args, "the skillset is tested", |events| {
        done(events, "test the skillset") > 0
    });
    let last = place.start(&args).wait_with_output().unwrap();
    assert!(last.status.success(), "{}", text(&last));
    let document = json(&last);
    assert_eq!(document["verdicts"][0]["verdict"], "pass");

    let runs = place.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(document["run"], runs[0].id.as_str());
    assert_eq!(runs[0].exit_code, Some(0));

    let events = place.events();
    let resumed = events
        .iter()
        .filter(|record| record.event == Event::RunResumed)
        .count();
    // A kill that comes before the next launch has found the run leaves nothing to count.
    assert!((1..=5).contains(&resumed), "resumed {resumed} times");
    let mut keys = BTreeSet::new();
    for record in &events {
        if let Event::StepFinished {
            step,
            key,
            reused: false,
            ..
        } = &record.event
        {
            assert!(keys.insert(key.clone()), "{step} was done twice");
        }
    }

    let references = place.git("skillsets", &["for-each-ref", "--format=%(refname:short)"]);
    assert_eq!(references.trim(), document["branch"].as_str().unwrap());
    let branch = place.git("skillsets", &["rev-parse", references.trim()]);
    assert_eq!(document["commit"], branch.trim());
    place.git("skillsets", &["fsck", "--strict"]);
}

#[test]
fn of_two_runs_of_one_type_one_waits_and_both_report_the_same() {
    let place = Place::new();
    let args = ["bert", "--backend", "torch-cpu"];
    let first = place.start(&[&args[..], &["--json"]].concat());
    support::until("the first run begins", || {
        (!place.runs().is_empty()).then_some(())
    });
    let second = place.start(&args).wait_with_output().unwrap();
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", text(&first));
    assert!(second.status.success(), "{}", text(&second));

    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("waiting"), "{stderr}");
    let document = json(&first);
    assert_eq!(document["reused"], false);
    let commit = document["commit"].as_str().unwrap();
    let stdout = String::from_utf8_lossy(&second.stdout);
    assert!(stdout.contains(&commit[..12]), "{stdout}");
    assert!(stdout.contains("from the ledger"), "{stdout}");
    assert_eq!(place.runs().len(), 1);
    let references = place.git("skillsets", &["for-each-ref", "--format=%(refname:short)"]);
    assert_eq!(references.lines().count(), 1, "{references}");
}

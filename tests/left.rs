//! What hostile code leaves has a cap, and what nobody needs is not kept.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use portwright_core::event::Event;
use portwright_ledger::Ledger;
use support::{
    Place, json,
    processes::{at_work, done},
    text,
};

/// The files of the ledger's store.
fn stored(place: &Place) -> usize {
    let store = place.path(".portwright/store");
    let shelves = fs::read_dir(store).unwrap().map(|shelf| shelf.unwrap());
    shelves
        .map(|shelf| fs::read_dir(shelf.path()).unwrap().count())
        .sum()
}

#[test]
fn a_sweep_keeps_the_artefacts_of_passes_only_when_it_is_asked_to() {
    let place = Place::new();
    let sweep = |args: &[&str]| {
        let output = place
            .command()
            .args([
                "sweep",
                "bert",
                "--backend",
                "onnxruntime",
                "--no-generation",
                "--json",
            ])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        json(&output)["rows"][0]["verdicts"][0]["evidence"].clone()
    };
    let evidence = sweep(&[]);
    assert!(
        evidence["artefact"]
            .as_str()
            .is_some_and(|digest| digest.len() == 64)
    );
    assert_eq!(stored(&place), 0);
    // What was judged before without being kept is no answer to who wants it kept.
    let evidence = sweep(&["--keep-artefacts"]);
    let ledger = Ledger::open(place.path(".portwright")).unwrap();
    let artefact = serde_json::from_value(evidence["artefact"].clone()).unwrap();
    let kept = fs::metadata(ledger.store().get(&artefact).unwrap()).unwrap();
    assert_eq!(kept.len(), evidence["artefact_bytes"].as_u64().unwrap());
    let logs = place.path(".portwright/logs");
    let work = place.path(".portwright/work");
    assert_eq!(fs::read_dir(work).unwrap().count(), 0);
    let printed: u64 = fs::read_dir(logs)
        .unwrap()
        .map(|log| log.unwrap().metadata().unwrap().len())
        .sum();
    assert!(printed < 1 << 20, "{printed}");
}

#[test]
fn a_model_that_sleeps_costs_the_time_of_an_analysis_and_not_of_every_plan() {
    let place = Place::new();
    place.toy_with(
        "sleeper",
        "        import signal, time\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        time.sleep(3000)\n",
    );
    fs::write(
        place.path("portwright.toml"),
        "[run]\nanalysis_seconds = 5\n",
    )
    .unwrap();
    let (code, document) = place.run(&[
        "./sleeper",
        "--backend",
        "torch-cpu",
        "--limit-seconds",
        "20",
    ]);
    assert_eq!(code, 1, "{document:#}");
    let verdict = &document["verdicts"][0];
    assert_eq!(
        verdict["finding"]["signature"], "timed out @ forward",
        "{verdict:#}"
    );
    let hint = verdict["finding"]["hint"].as_str().unwrap();
    assert!(hint.contains("run.analysis_seconds"), "{hint}");
    let tried = place.events().into_iter().filter(
        |record| matches!(&record.event, Event::StepStarted { step, .. } if step == "reference"),
    );
    assert_eq!(tried.count(), 1);
}

#[test]
fn a_model_that_fills_the_disk_is_told_and_the_room_is_given_back() {
    let place = Place::new();
    place.toy_with(
        "filler",
        "        import itertools, os\n        for n in itertools.count():\n            os.makedirs(f'x/{n}')\n            open(f'x/{n}/f', 'wb').write(bytes(1 << 20))\n",
    );
    fs::write(place.path("portwright.toml"), "[run]\nplans = 2\n").unwrap();
    let (code, document) = place.run(&["./filler", "--backend", "torch-cpu", "--limit-disk", "60"]);
    assert_eq!(code, 1, "{document:#}");
    let finding = &document["verdicts"][0]["finding"];
    assert_eq!(
        finding["signature"], "crashed (limit on disk) @ forward",
        "{finding:#}"
    );
    assert!(
        finding["message"]
            .as_str()
            .unwrap()
            .contains("more than the 60 MiB"),
        "{finding:#}"
    );
    assert!(
        finding["hint"].as_str().unwrap().contains("--limit-disk"),
        "{finding:#}"
    );
    let left = portwright_sandbox::process::measure(&place.path(".portwright"));
    assert!(left.bytes < 60 << 20, "{left:?}");
}

#[test]
fn a_run_killed_at_any_moment_of_its_end_leaves_no_files_for_good() {
    let place = Place::new();
    let args = ["bert", "--backend", "torch-cpu", "--json"];
    place.kill_when(&args, "the commit begins", |events| {
        at_work(events, "commit") || done(events, "commit") > 0
    });
    let last = place.start(&args).wait_with_output().unwrap();
    assert!(last.status.success(), "{}", text(&last));
    let work = place.path(".portwright/work");
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
    // A kill between the end of the run and the removal of its files leaves this.
    let run = place.runs().remove(0);
    let left_over = work.join(run.id.as_str());
    fs::create_dir_all(left_over.join("step")).unwrap();
    let again = place.start(&args).wait_with_output().unwrap();
    assert_eq!(json(&again)["reused"], true);
    assert!(!left_over.exists());
}

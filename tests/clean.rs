//! `portwright clean` gives back what no verdict needs, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::PathBuf};

use portwright_core::{Digest, ModelType};
use portwright_ledger::{Ledger, NewRun, NewStep, Run, RunLock};
use serde_json::{Value, json};
use support::{Place, text};

struct Kept {
    place: Place,
    ledger: Ledger,
}

impl Kept {
    fn new() -> Self {
        let place = Place::new();
        let ledger = Ledger::open(place.path(".portwright")).unwrap();
        Self { place, ledger }
    }

    /// A run with files of its steps.
    fn run(&self, name: &str) -> (Run, PathBuf) {
        let run = self
            .ledger
            .begin_run(&NewRun {
                key: Digest::of(name),
                target: name.to_owned(),
                model_type: ModelType::new(name),
                settings: json!({}),
            })
            .unwrap();
        let work = self.ledger.folder().join("work").join(run.id.as_str());
        fs::create_dir_all(work.join("step/below")).unwrap();
        fs::write(work.join("step/below/file"), vec![1; 100_000]).unwrap();
        (run, work)
    }

    fn clean(&self, args: &[&str]) -> Value {
        let output = self
            .place
            .command()
            .arg("clean")
            .args(args)
            .arg("--json")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        support::json(&output)
    }
}

fn of_kind(document: &Value, kind: &str) -> usize {
    let items = document["items"].as_array().unwrap();
    items.iter().filter(|item| item["kind"] == kind).count()
}

#[test]
fn work_of_ended_and_killed_runs_goes_and_that_of_a_run_at_work_stays() {
    let kept = Kept::new();
    let (ended, first) = kept.run("ended");
    kept.ledger.finish_run(&ended.id, 1).unwrap();
    let (_killed, second) = kept.run("killed");
    let (at_work, third) = kept.run("at work");
    let lock = RunLock::try_acquire(kept.ledger.folder(), &at_work.key).unwrap();
    let nobody = kept
        .ledger
        .store()
        .put_bytes(b"stored and not recorded yet")
        .unwrap();

    let told = kept.clean(&["--dry-run", "--keep", "0d"]);
    assert_eq!(of_kind(&told, "work"), 2);
    assert!(told["bytes"].as_u64().unwrap() >= 200_000, "{told:#}");
    assert!(first.exists() && second.exists());

    let done = kept.clean(&["--keep", "0d"]);
    assert!(!first.exists() && !second.exists() && third.exists());
    let left = done["left"].to_string();
    let pid = format!("process {}", std::process::id());
    assert!(
        left.contains(at_work.id.as_str()) && left.contains(&pid),
        "{left}"
    );
    // What a run at work has stored, it may record next.
    assert!(kept.ledger.store().contains(&nobody).unwrap());

    drop(lock);
    let after = kept.clean(&[]);
    assert!(!third.exists() && !kept.ledger.store().contains(&nobody).unwrap());
    assert_eq!(of_kind(&after, "artefact"), 1);
    assert_eq!(kept.ledger.runs().unwrap().len(), 3, "records stay");
}

#[test]
fn logs_go_by_age_and_artefacts_by_need() {
    let kept = Kept::new();
    let (run, _) = kept.run("any");
    let logs = kept.ledger.folder().join("logs");
    fs::create_dir(&logs).unwrap();
    let (old, young) = (logs.join("job-1-0.log"), logs.join("job-2-0.log"));
    for log in [&old, &young] {
        fs::write(log, "said").unwrap();
    }
    let eight_days = std::time::Duration::from_secs(8 * 86_400);
    fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - eight_days)
        .unwrap();
    let store = kept.ledger.store();
    let named = store.put_bytes(b"a verdict names it").unwrap();
    let unnamed = store.put_bytes(b"nobody names it").unwrap();
    kept.ledger
        .record_step(&NewStep {
            key: &Digest::of("key"),
            step: "judge onnxruntime",
            run: &run.id,
            result: &json!({"verdict": "pass", "evidence": {"artefact": named}}),
            artefacts: &[],
            seconds: 0.0,
        })
        .unwrap();

    kept.clean(&[]);
    assert!(!old.exists() && young.exists());
    assert!(store.contains(&named).unwrap() && !store.contains(&unnamed).unwrap());
    kept.clean(&["--keep", "0d"]);
    assert!(!young.exists());
}

#[test]
fn the_lines_end_with_the_totals_and_an_age_that_is_none_is_a_usage_error() {
    let kept = Kept::new();
    kept.run("any");
    let output = kept.place.command().arg("clean").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("removed: 1 work (1"), "{said}");
    let wrong = kept
        .place
        .command()
        .args(["clean", "--keep", "soon"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
}

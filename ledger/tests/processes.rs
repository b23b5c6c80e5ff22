//! What other processes do to a ledger: die while they write, run out of room, want the same run.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use portwright_core::{Digest, ModelType, event::Event};
use portwright_ledger::{Ledger, LedgerError, NewRun, NewStep, RunLock};
use serde_json::json;

const ROLE: &str = "PORTWRIGHT_LEDGER_TEST_ROLE";
const FOLDER: &str = "PORTWRIGHT_LEDGER_TEST_FOLDER";

/// Starts this test program again, to play a role. Its standard error is the test's to read.
fn start(role: &str, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "plays_its_role", "--nocapture"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the processes that the tests below start do.
#[test]
fn plays_its_role() {
    let (Ok(role), Ok(folder)) = (env::var(ROLE), env::var(FOLDER)) else {
        return;
    };
    match role.as_str() {
        "write for ever" => write_for_ever(Path::new(&folder)),
        "fill the disk" => fill_the_disk(Path::new(&folder)),
        other => panic!("no role `{other}`"),
    }
}

fn key() -> Digest {
    Digest::of("the run")
}

fn write_for_ever(folder: &Path) {
    let _lock = RunLock::try_acquire(folder, &key()).unwrap();
    let ledger = Ledger::open(folder).unwrap();
    let run = ledger
        .begin_run(&NewRun {
            key: key(),
            target: "bert".to_owned(),
            model_type: ModelType::new("bert"),
            settings: json!({}),
        })
        .unwrap();
    for number in 0_u64.. {
        let artefact = ledger
            .store()
            .put_bytes(&number.to_le_bytes().repeat(5000))
            .unwrap();
        let record = ledger
            .record_step(&NewStep {
                key: &Digest::of(number.to_string()),
                step: "build",
                run: &run.id,
                result: &json!(number),
                artefacts: &[artefact],
                seconds: 0.0,
            })
            .unwrap();
        eprintln!("{}", record.sequence);
    }
}

fn fill_the_disk(folder: &Path) {
    let limit = libc::rlimit {
        rlim_cur: 100_000,
        rlim_max: 100_000,
    };
    // SAFETY: both calls take plain values, and `limit` lives until the call returns.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let ledger = Ledger::open(folder).unwrap();
    let error = ledger.store().put_bytes(&[7; 1_000_000]).unwrap_err();
    assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
    assert!(error.hint().contains("free some space"));
    let small = ledger.store().put_bytes(b"small").unwrap();
    ledger.store().verify(&small).unwrap();
    let copy = folder.join("copy");
    let error = ledger.store().materialise(&big(), &copy).unwrap_err();
    assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
    assert!(!copy.exists());
}

fn big() -> Digest {
    Digest::of(vec![8; 1_000_000])
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_it_was_told_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start("write for ever", folder.path());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged = 0;
    while acknowledged < 40 {
        acknowledged = lines.next().unwrap().unwrap().parse().unwrap();
    }
    let error = RunLock::try_acquire(folder.path(), &key()).unwrap_err();
    assert!(matches!(error, LedgerError::Locked { holder: Some(pid), .. } if pid == child.id()));

    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        // The last line may be cut short by the kill; then it is no acknowledgement.
        acknowledged = line
            .unwrap()
            .parse()
            .unwrap_or(acknowledged)
            .max(acknowledged);
    }

    let _lock = RunLock::try_acquire(folder.path(), &key()).unwrap();
    let ledger = Ledger::open(folder.path()).unwrap();
    let run = ledger.find_run_by_key(&key()).unwrap().unwrap();
    assert_eq!(run.finished_ms, None);
    let events = ledger.events(&run.id).unwrap();
    assert!(events.len() as u64 >= acknowledged);
    for (index, record) in events.iter().enumerate() {
        assert_eq!(record.sequence, index as u64 + 1);
        if let Event::StepFinished { key, .. } = &record.event {
            let step = ledger.step_result(key).unwrap().unwrap();
            ledger.store().verify(&step.artefacts[0]).unwrap();
        }
    }
    let connection = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let word: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(word, "ok");
    ledger.resume(&run.id).unwrap();
}

#[test]
fn a_full_disk_leaves_no_half_artefact() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path()).unwrap();
    ledger.store().put_bytes(&[8; 1_000_000]).unwrap();

    let output = start("fill the disk", folder.path())
        .wait_with_output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let digest = Digest::of(vec![7; 1_000_000]);
    assert!(!ledger.store().contains(&digest).unwrap());
    let incoming = ledger.store().folder().join("incoming");
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    assert_eq!(ledger.store().put_bytes(&[7; 1_000_000]).unwrap(), digest);
    ledger.store().verify(&digest).unwrap();
}

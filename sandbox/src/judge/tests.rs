use std::{collections::BTreeMap, fs};

use portwright_core::job::JobError;
use proptest::prelude::*;

use super::*;
use crate::tensor::{self, Tensors};

const EXPECTED: Expected = Expected {
    provider: "CPUExecutionProvider",
    device: "CPU",
};

fn execution() -> Execution {
    Execution {
        device: "CPU".into(),
        nodes: BTreeMap::from([("CPUExecutionProvider".to_owned(), 4)]),
        elsewhere: BTreeMap::new(),
        versions: BTreeMap::from([("onnxruntime".to_owned(), "1.31.1".to_owned())]),
        load_seconds: 0.25,
        latency_seconds: vec![0.01, 0.02],
        reload_resident_bytes: vec![100, 100, 100],
        outputs: vec![],
        refused: BTreeMap::new(),
    }
}

fn done(execution: &Execution) -> JobOutcome {
    JobOutcome::Done {
        result: serde_json::to_value(execution).unwrap(),
    }
}

/// Judges the toy after `change` had its way with the files it wrote.
fn judged(outcome: JobOutcome, change: impl FnOnce(&Path)) -> BackendVerdict {
    judged_on(&toy::sets(true), outcome, change)
}

fn judged_on(sets: &[InputSet], outcome: JobOutcome, change: impl FnOnce(&Path)) -> BackendVerdict {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join(OUTPUTS_FOLDER);
    fs::create_dir(&folder).unwrap();
    for set in sets {
        tensor::write(&toy::run(set), &folder.join(set.file_name())).unwrap();
    }
    change(&folder);
    judge(&Case {
        backend: Backend::ONNXRUNTIME,
        expected: EXPECTED,
        tolerances: &toy::tolerances(),
        reference: &toy::reference(sets),
        report: &JobReport {
            outcome,
            peak_resident_bytes: 1 << 20,
            wall_seconds: 1.0,
            cpu_seconds: 0.0,
            isolation: "none".into(),
        },
        work: work.path(),
        artefact: &Digest::of("artefact"),
        artefact_bytes: 8,
        plan: &Digest::of("plan"),
        dynamic: true,
        artefact_has_sizes: true,
        made: &[],
    })
}

fn signature(verdict: &BackendVerdict) -> &str {
    &verdict.finding.as_ref().unwrap().signature.0
}

#[test]
fn a_pass_carries_its_evidence() {
    let verdict = judged(done(&execution()), |_| {});
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
    assert!(verdict.finding.is_none());
    let evidence = verdict.evidence.unwrap();
    assert_eq!(evidence.input_sets.len(), 4);
    assert_eq!(evidence.sensitivity.len(), 2);
    assert_eq!(evidence.memory_slope_bytes, Some(0.0));
    assert_eq!(evidence.latency_p95_seconds, 0.02);
    assert_eq!(evidence.artefact, Digest::of("artefact"));
    assert!(evidence.dynamic);
}

#[test]
fn axes_that_were_never_seen_in_another_size_are_not_free() {
    let verdict = judged_on(&toy::sets(false), done(&execution()), |_| {});
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
    assert!(!verdict.evidence.unwrap().dynamic);
}

#[test]
fn evidence_survives_its_json() {
    let verdict = judged(done(&execution()), |_| {});
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(
        serde_json::from_str::<BackendVerdict>(&text).unwrap(),
        verdict
    );
}

#[test]
fn how_a_job_ended_is_the_verdict() {
    let error = JobError {
        doing: "load".into(),
        ..JobError::default()
    };
    let cases = [
        (JobOutcome::TimedOut { seconds: 5.0 }, Verdict::TimedOut),
        (
            JobOutcome::OutOfMemory {
                peak_bytes: 2,
                limit_bytes: 1,
            },
            Verdict::OutOfMemory,
        ),
        (
            JobOutcome::Crashed {
                status: "signal 11".into(),
                log: String::new(),
            },
            Verdict::Crashed,
        ),
        (JobOutcome::Failed { error }, Verdict::Fail),
    ];
    for (outcome, expected) in cases {
        let verdict = judged(outcome, |_| {});
        assert_eq!(verdict.verdict, expected);
        assert!(verdict.evidence.is_none() && verdict.finding.is_some());
    }
}

#[test]
fn a_failure_to_load_is_found_at_the_load_stage() {
    let error = JobError {
        doing: "load".into(),
        ..JobError::default()
    };
    let verdict = judged(JobOutcome::Failed { error }, |_| {});
    assert_eq!(verdict.finding.unwrap().stage, Stage::Load);
}

#[test]
fn an_answer_that_claims_a_pass_is_no_verdict() {
    let forged = serde_json::json!({"verdict": "pass"});
    let verdict = judged(JobOutcome::Done { result: forged }, |_| {});
    assert_eq!(verdict.verdict, Verdict::Fail);
    assert_eq!(signature(&verdict), "the answer is malformed");
}

#[test]
fn files_that_the_job_names_elsewhere_are_not_read() {
    let mut execution = execution();
    execution.outputs = vec!["/somewhere/else.safetensors".into()];
    let verdict = judged(done(&execution), |_| {});
    assert_eq!(verdict.verdict, Verdict::Pass);
}

#[test]
fn a_fallback_fails_although_the_values_agree() {
    let mut execution = execution();
    execution.nodes.insert("OtherExecutionProvider".into(), 1);
    let verdict = judged(done(&execution), |_| {});
    assert_eq!(verdict.verdict, Verdict::Fail);
    assert_eq!(signature(&verdict), "fallback to another provider");
}

#[test]
fn a_missing_output_file_fails() {
    let verdict = judged(done(&execution()), |folder| {
        fs::remove_file(folder.join("other.safetensors")).unwrap();
    });
    assert_eq!(signature(&verdict), "outputs: file missing");
}

#[test]
fn a_linked_output_file_fails() {
    let verdict = judged(done(&execution()), |folder| {
        let path = folder.join("other.safetensors");
        fs::rename(&path, folder.join("real")).unwrap();
        std::os::unix::fs::symlink("real", path).unwrap();
    });
    assert_eq!(signature(&verdict), "outputs: not a plain file");
}

#[test]
fn outputs_in_another_precision_are_compared_by_value() {
    let verdict = judged(done(&execution()), |folder| {
        for set in toy::sets(true) {
            let mut tensors: Tensors = toy::run(&set);
            for name in ["state", "total"] {
                if let Some(output) = tensors.get_mut(name) {
                    output.element = tensor::ElementType::Float64;
                }
            }
            tensor::write(&tensors, &folder.join(set.file_name())).unwrap();
        }
    });
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_makes_the_judge_panic_or_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let verdict = judged(done(&execution()), |folder| {
            fs::write(folder.join("example.safetensors"), bytes).unwrap();
        });
        prop_assert_eq!(verdict.verdict, Verdict::Fail);
    }
}

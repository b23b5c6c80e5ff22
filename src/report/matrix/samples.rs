//! Small rows for the unit tests of the report.

use std::collections::BTreeMap;

use portwright_core::{
    Backend, Digest, Evidence, Family, Finding, Kind, Limit, LimitKind, ModelType, RunId,
    Signature, Stage, SweepId, Verdict,
    sweep::{self, Row, Through},
    verdict::{BackendVerdict, OutputEvidence, Placement},
};
use portwright_ledger::Sweep;
use serde_json::json;

pub const TORCH: Backend = Backend::TORCH_CPU;
pub const ONNX: Backend = Backend::ONNXRUNTIME;
pub const OPENVINO: Backend = Backend::OPENVINO;

/// Every verdict but a pass.
pub const NOT_PASSES: [Verdict; 7] = [
    Verdict::Converted,
    Verdict::Fail,
    Verdict::TimedOut,
    Verdict::Crashed,
    Verdict::OutOfMemory,
    Verdict::Unavailable,
    Verdict::Unsupported,
];

/// A sweep that has ended.
pub fn sweep(names: &[&str]) -> Sweep {
    Sweep {
        id: SweepId::new("sweep-20261122T033000-7f3a"),
        key: Digest::of("sweep"),
        library_version: "5.20.2".into(),
        settings: json!({"jobs": 2}),
        names: names.iter().map(ToString::to_string).collect(),
        started_ms: 1_795_318_200_000,
        finished_ms: Some(1_795_325_400_000),
    }
}

/// A sweep the day before.
pub fn earlier(names: &[&str]) -> Sweep {
    Sweep {
        id: SweepId::new("sweep-20261121T033000-11aa"),
        library_version: "5.20.1".into(),
        started_ms: 1_795_231_800_000,
        finished_ms: Some(1_795_239_000_000),
        ..sweep(names)
    }
}

/// A base type that passes on `torch-cpu`.
pub fn row(name: &str) -> Row {
    Row {
        schema: sweep::SCHEMA,
        name: name.into(),
        model_type: ModelType::new(name),
        kind: Kind::Base,
        family: Family::EncoderOnly,
        through: None,
        run: RunId::new(format!("{name}-run")),
        class: Some(format!("{name}Model")),
        verdicts: vec![pass(TORCH)],
        generation: Vec::new(),
        reused: false,
        seconds: 10.0,
        cpu_seconds: BTreeMap::from([("introspect".into(), 1.0)]),
        peak_resident_bytes: 100 << 20,
        exercised: Vec::new(),
    }
}

/// A part that a parent exercises.
pub fn part(name: &str, parent: &str) -> Row {
    Row {
        kind: Kind::Part,
        family: Family::Component,
        through: Some(Through::Parent(ModelType::new(parent))),
        ..row(name)
    }
}

pub fn pass(backend: Backend) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict: Verdict::Pass,
        evidence: Some(evidence(backend)),
        finding: None,
    }
}

pub fn static_pass(backend: Backend) -> BackendVerdict {
    let mut verdict = pass(backend);
    if let Some(evidence) = &mut verdict.evidence {
        evidence.dynamic = false;
        evidence.limits = vec![Limit::new(
            LimitKind::FixedAxes,
            "the artefact takes the sizes of the example alone: batch=2",
        )];
    }
    verdict
}

pub fn limited_pass(backend: Backend) -> BackendVerdict {
    let mut verdict = pass(backend);
    if let Some(evidence) = &mut verdict.evidence {
        evidence.limits = vec![Limit::new(
            LimitKind::Branch,
            "No input set made `length > 24` true (modeling_any.py:7, in forward).",
        )];
    }
    verdict
}

pub fn failed(backend: Backend, signature: &str, hint: Option<&str>) -> BackendVerdict {
    not_passed(backend, Verdict::Fail, Stage::Export, signature, hint)
}

pub fn not_passed(
    backend: Backend,
    verdict: Verdict,
    stage: Stage,
    signature: &str,
    hint: Option<&str>,
) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict,
        evidence: None,
        finding: Some(Finding {
            stage,
            backend: Some(backend),
            signature: Signature::phrase(signature),
            message: format!("it was: {signature}"),
            error: None,
            hint: hint.map(Into::into),
        }),
    }
}

fn evidence(backend: Backend) -> Evidence {
    Evidence {
        judge_version: 1,
        device: "CPU".into(),
        versions: BTreeMap::from([(backend.to_string(), "1.31.1".into())]),
        placement: Placement {
            provider: "CPU".into(),
            nodes_on_provider: 41,
            nodes: 41,
            by_provider: BTreeMap::new(),
        },
        outputs: vec![OutputEvidence {
            name: "logits".into(),
            dtype: "float32".into(),
            max_absolute: 2.5e-7,
            max_relative: 4e-8,
            reference_spread: 6.0,
            reference_noise: 0.0,
            difference: 2.5e-7,
            allowed: 0.00601,
            untouched: false,
        }],
        input_sets: Vec::new(),
        sensitivity: Vec::new(),
        load_seconds: 0.01,
        latency_p50_seconds: 0.001,
        latency_p95_seconds: 0.002,
        peak_resident_bytes: 100 << 20,
        memory_slope_bytes: None,
        artefact: Digest::of("artefact"),
        artefact_bytes: 1,
        plan: Digest::of("plan"),
        isolation: "namespaces+landlock+seccomp".into(),
        dynamic: true,
        limits: Vec::new(),
    }
}

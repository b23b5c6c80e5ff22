//! The judge's negative controls, with artefacts that are really executed on every backend: whatever is wrong on
//! purpose must fail, and for its own reason. Beside them the one positive control: what is right passes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "toy/harness.rs"]
mod harness;

use std::{fs, sync::OnceLock, time::Duration};

use harness::{Making, Toy, limits, made, tests};
use portwright_core::{Backend, Stage, Verdict, backend::Runner, verdict::BackendVerdict};
use portwright_sandbox::{
    judge::Expected,
    pool::{Limits, Walls},
};

const PLAN: &str = r#"
schema = 2
model_type = "toy"
family = "encoder-only"
library_version = "any"
class = "Toy"
module = "toy"
config_class = "ToyConfig"
task = "base"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 12 }

[[inputs]]
name = "x"
dtype = "float32"
shape = ["batch", "sequence"]
modality = "time-series"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "mask"
dtype = "int32"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "mask" }
"#;

/// The toy of all tests here.
fn toy() -> &'static Toy {
    static TOY: OnceLock<Toy> = OnceLock::new();
    TOY.get_or_init(|| {
        made(&Making {
            name: "negative-controls",
            plan: PLAN,
            script: "toy/make.py",
            arguments: &[tests().join("toy/model.py").as_os_str()],
            refer: None,
        })
    })
}

/// Runs each control on every backend that can run here.
macro_rules! on_every_backend {
    ($($control:ident)*) => {
        mod on_every_backend {
            $(#[test] fn $control() {
                for backend in super::toy().backends() {
                    println!("{backend}");
                    super::$control(backend);
                }
            })*
        }
    };
}

on_every_backend! {
    what_is_right_passes_with_its_evidence
    what_is_right_passes_without_namespaces
    planted_wrong_weights_fail
    an_artefact_that_ignores_an_input_fails
    a_constant_output_fails
    outputs_that_are_all_zero_fail
    an_artefact_that_returns_the_traced_shape_fails
    a_fallback_to_another_provider_fails
    a_fallback_to_another_device_fails
    an_artefact_that_is_none_fails
    outputs_replaced_by_rubbish_fail
}

fn fails(verdict: &BackendVerdict, signature: &str) {
    assert_eq!(verdict.verdict, Verdict::Fail, "{:?}", verdict.finding);
    assert!(verdict.evidence.is_none());
    let finding = verdict.finding.as_ref().unwrap();
    assert_eq!(finding.signature.0, signature, "{}", finding.message);
    assert_eq!(finding.backend, Some(verdict.backend));
}

fn what_is_right_passes_with_its_evidence(backend: Backend) {
    let verdict = toy().verdict(backend, "right");
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
    let evidence = verdict.evidence.unwrap();
    assert!(evidence.placement.nodes > 0);
    assert_eq!(
        evidence.placement.nodes,
        evidence.placement.nodes_on_provider
    );
    assert_eq!(evidence.outputs.len(), 3);
    let sets: Vec<&str> = (evidence.input_sets.iter())
        .map(|set| set.name.as_str())
        .collect();
    assert_eq!(sets[..4], ["example", "other", "probe-x", "probe-mask"]);
    // The corners follow.
    assert!(
        sets.contains(&"one-row") && sets.contains(&"long"),
        "{sets:?}"
    );
    assert_eq!(evidence.sensitivity.len(), 2);
    assert!(evidence.memory_slope_bytes.is_some());
    assert!(evidence.peak_resident_bytes > 0 && !evidence.versions.is_empty());
    assert!(
        evidence.isolation.contains("landlock"),
        "{}",
        evidence.isolation
    );
}

/// The stack's own test has the Python worker in this mode.
fn what_is_right_passes_without_namespaces(backend: Backend) {
    if backend.spec().runner == Runner::Python {
        return;
    }
    let walls = Walls::WithoutNamespaces;
    let executed = toy().execute_behind(walls, backend, "right", limits());
    assert_eq!(executed.report.isolation, "landlock+seccomp");
    let verdict = executed.judge();
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
}

fn planted_wrong_weights_fail(backend: Backend) {
    let verdict = toy().verdict(backend, "wrong-weights");
    assert!(
        verdict.finding.as_ref().is_some_and(|finding| {
            finding.signature.0.starts_with("values differ") && finding.stage == Stage::Compare
        }),
        "{verdict:?}"
    );
    assert_eq!(verdict.verdict, Verdict::Fail);
}

fn an_artefact_that_ignores_an_input_fails(backend: Backend) {
    fails(
        &toy().verdict(backend, "ignores-mask"),
        "ignores an input: mask",
    );
}

fn a_constant_output_fails(backend: Backend) {
    fails(
        &toy().verdict(backend, "constant"),
        "output is constant: total",
    );
}

fn outputs_that_are_all_zero_fail(backend: Backend) {
    fails(
        &toy().verdict(backend, "zeros"),
        "output is zero everywhere: state",
    );
}

fn an_artefact_that_returns_the_traced_shape_fails(backend: Backend) {
    fails(
        &toy().verdict(backend, "traced-shape"),
        "shape differs on other sizes",
    );
}

fn a_fallback_to_another_provider_fails(backend: Backend) {
    let mut executed = toy().execute(backend, "right", limits());
    executed.expected = Expected {
        provider: "NpuExecutionProvider",
        ..executed.expected
    };
    fails(&executed.judge(), "fallback to another provider");
}

fn a_fallback_to_another_device_fails(backend: Backend) {
    let mut executed = toy().execute(backend, "right", limits());
    executed.expected = Expected {
        device: "NPU",
        ..executed.expected
    };
    fails(&executed.judge(), "fallback to another device");
}

fn an_artefact_that_is_none_fails(backend: Backend) {
    let verdict = toy().verdict(backend, "broken");
    assert_eq!(verdict.verdict, Verdict::Fail, "{verdict:?}");
    let finding = verdict.finding.unwrap();
    assert!(finding.error.is_some(), "{finding:?}");
}

fn outputs_replaced_by_rubbish_fail(backend: Backend) {
    let executed = toy().execute(backend, "right", limits());
    let path = executed.work.path().join("outputs/other.safetensors");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() / 2]).unwrap();
    fails(&executed.judge(), "outputs: malformed file");
}

#[test]
fn a_graph_that_eats_memory_is_out_of_memory() {
    let small = Limits {
        memory_bytes: 500 << 20,
        ..limits()
    };
    let executed = toy().execute(Backend::ONNXRUNTIME, "memory", small);
    assert_eq!(executed.judge().verdict, Verdict::OutOfMemory);
}

#[test]
fn a_graph_that_never_ends_is_timed_out() {
    let short = Limits {
        wall: Duration::from_secs(3),
        ..limits()
    };
    let executed = toy().execute(Backend::ONNXRUNTIME, "endless", short);
    assert_eq!(executed.judge().verdict, Verdict::TimedOut);
}

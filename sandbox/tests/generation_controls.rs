//! The negative controls of cached generation, with artefacts that ONNX Runtime really executes: a chain that is wrong
//! on purpose must fail, and for its own reason. Beside them the one positive control.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use portwright_core::{
    Backend, Digest, PortPlan, Verdict,
    job::{Cached, Job, ModelSource},
    plan::{Feed, GenerationPlan},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    backends::{Attempt, Tuning, onnxruntime},
    environment::Environment,
    judge::{
        Case, Expected, Reference, Tolerances,
        generation::{decodes, draw, reference, steps},
        inputs, judge,
    },
    pool::{JobRequest, Limits, Walls},
};

const PLAN: &str = r#"
schema = 2
model_type = "toy"
family = "decoder-only"
library_version = "any"
class = "ToyForCausalLM"
module = "toy"
config_class = "ToyConfig"
task = "causal-lm"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 11 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "integer", low = 1, high = 99 }
"#;

struct Toy {
    folder: PathBuf,
    library: PathBuf,
    plan: GenerationPlan,
    inputs: Vec<PathBuf>,
    reference: Reference,
    tolerances: Tolerances,
}

/// The toy with its artefacts, built once by the environment's Python.
fn toy() -> &'static Toy {
    static TOY: OnceLock<Toy> = OnceLock::new();
    TOY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generation-controls");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let (whole, parts) = (folder.join("inputs"), folder.join("steps"));
        fs::create_dir_all(&whole).unwrap();
        fs::create_dir_all(&parts).unwrap();
        let plan = GenerationPlan {
            plan: PortPlan::from_toml(PLAN).unwrap(),
            axis: "sequence".into(),
            decodes: 2,
            feeds: [("input_ids".to_owned(), Feed::Own { place: 1 })].into(),
        };
        let sets = draw(&plan, true, 20261124).unwrap();
        let count = decodes(&plan, true);
        inputs::write(&sets, &whole).unwrap();
        let inputs = inputs::write(&steps(&plan, &sets, count), &parts).unwrap();
        let environment = Environment::locked().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/toy/make_generation.py");
        let status = Command::new(&environment.python)
            .args(["-I", "-B"])
            .args([&script, &whole, &folder])
            .status()
            .unwrap();
        assert!(status.success(), "the toy cannot be made: {status}");
        let tolerances = Tolerances::embedded().unwrap();
        let work = folder.join("reference");
        let reference = reference(&plan, &work, &sets, count, false).unwrap();
        Toy {
            library: environment.onnxruntime_library().unwrap(),
            plan,
            inputs,
            reference,
            tolerances,
            folder,
        }
    })
}

/// Executes a variant's prefill and decode, and judges the logits.
fn verdict(prefill: &str, decode: &str) -> BackendVerdict {
    let toy = toy();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let work = tempfile::tempdir_in(&toy.folder).unwrap();
    let attempt = Attempt {
        request: JobRequest {
            job: Job::Generate {
                backend: Backend::ONNXRUNTIME,
                plan: Box::new(toy.plan.plan.clone()),
                source: ModelSource::Library,
                checkpoint: text(&toy.folder),
                artefact: Some(Cached {
                    prefill: text(&toy.folder.join(prefill).join("prefill.onnx")),
                    decode: text(&toy.folder.join(decode).join("decode.onnx")),
                }),
                inputs: toy.inputs.iter().map(|path| text(path)).collect(),
                repeats: 2,
            },
            work: work.path().to_owned(),
            readable: vec![],
            limits: Limits {
                wall: Duration::from_secs(120),
                ..Limits::default()
            },
        },
        tuning: Tuning {
            optimization: None,
            threads: Some(1),
        },
    };
    let launcher = Path::new(env!("CARGO_BIN_EXE_portwright-caged"));
    let report =
        onnxruntime::execute(launcher, Walls::Required, &toy.library, None, &attempt).unwrap();
    judge(&Case {
        backend: Backend::ONNXRUNTIME,
        expected: Expected::of(Backend::ONNXRUNTIME),
        tolerances: &toy.tolerances,
        reference: &toy.reference,
        report: &report,
        work: work.path(),
        artefact: &Digest::of("artefact"),
        artefact_bytes: 8,
        plan: &Digest::of(PLAN),
        dynamic: true,
        artefact_has_sizes: true,
        made: &[],
    })
}

fn signature(variant: &str) -> String {
    let verdict = verdict(variant, variant);
    assert_eq!(verdict.verdict, Verdict::Fail, "{:?}", verdict.evidence);
    verdict.finding.unwrap().signature.0
}

#[test]
fn what_is_right_passes_with_the_nodes_of_both_artefacts() {
    let verdict = verdict("right", "right");
    assert_eq!(verdict.verdict, Verdict::Pass, "{:?}", verdict.finding);
    let evidence = verdict.evidence.unwrap();
    let names: Vec<&str> = evidence.outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(
        names,
        ["decode.0.logits", "decode.1.logits", "prefill.logits"]
    );
    // Five of the prefill and at least four of the decode step; what is only an identity may be optimised away.
    assert!(evidence.placement.nodes >= 9, "{:?}", evidence.placement);
    assert_eq!(
        evidence.placement.nodes,
        evidence.placement.nodes_on_provider
    );
}

#[test]
fn a_decode_that_ignores_its_cache_fails() {
    assert_eq!(signature("ignores-cache"), "ignores an input: input_ids");
}

#[test]
fn a_decode_that_returns_the_prefills_logits_fails() {
    let signature = signature("prefill-logits");
    assert!(signature.starts_with("values differ"), "{signature}");
}

#[test]
fn constant_logits_fail() {
    let signature = signature("constant");
    assert!(signature.starts_with("output is constant"), "{signature}");
}

#[test]
fn a_cache_that_a_decode_does_not_grow_fails() {
    let signature = signature("stuck-cache");
    assert!(signature.starts_with("values differ"), "{signature}");
}

#[test]
fn a_decode_of_one_batch_size_fails_on_the_other() {
    let verdict = verdict("fixed-batch", "fixed-batch");
    assert_eq!(verdict.verdict, Verdict::Fail, "{:?}", verdict.evidence);
}

#[test]
fn a_decode_that_wants_what_no_step_left_fails() {
    let verdict = verdict("no-cache", "right");
    assert_eq!(verdict.verdict, Verdict::Fail, "{:?}", verdict.evidence);
    let finding = verdict.finding.unwrap();
    assert!(
        finding.message.contains("past_key_values.sum"),
        "{}",
        finding.message
    );
}

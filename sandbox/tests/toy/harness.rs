//! A toy model whose artefacts are built and executed for real on every backend, and judged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use portwright_core::{
    Backend, Digest, PortPlan,
    job::{Job, JobReport},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    backends::{self, Attempt, Form, Host, onnxruntime::Tuning},
    environment::Environment,
    judge::{
        Case, Expected, InputSet, Ran, Reference, Tolerances,
        corners::{self, Further},
        inputs, judge,
    },
    pool::{JobRequest, Limits, Walls, Workers, WorkersConfig},
};

const PLAN: &str = r#"
schema = 1
model_type = "toy"
family = "encoder-only"
library_version = "any"
class = "Toy"
module = "toy"
config_class = "ToyConfig"
task = "base"
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
dtype = "int64"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "mask" }
"#;

/// What all tests of this binary share: it is made once.
pub struct Toy {
    folder: PathBuf,
    environment: Environment,
    workers: Workers,
    runtime: tokio::runtime::Runtime,
    inputs: Vec<PathBuf>,
    corners: Vec<PathBuf>,
    reference: Reference,
    tolerances: Tolerances,
}

/// The toy, with its artefacts built by the environment's Python.
pub fn toy() -> &'static Toy {
    static TOY: OnceLock<Toy> = OnceLock::new();
    TOY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("negative-controls");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let drawn = folder.join("inputs");
        fs::create_dir_all(&drawn).unwrap();
        let plan = PortPlan::from_toml(PLAN).unwrap();
        let sets = inputs::draw(&plan, true, 20261122).unwrap();
        let inputs = inputs::write(&sets, &drawn).unwrap();
        let beyond =
            corners::draw_into(&plan, true, &Further::default(), 20261122, &drawn).unwrap();
        let corners = files(&beyond, &drawn);
        let environment = Environment::locked().unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/toy");
        let status = Command::new(&environment.python)
            .args(["-I", "-B"])
            .arg(sources.join("make.py"))
            .args([&sources.join("model.py"), &drawn, &folder])
            .env("CI", "true")
            .status()
            .unwrap();
        assert!(status.success(), "the toy cannot be made: {status}");
        let tolerances = Tolerances::embedded().unwrap();
        let reference = Reference::read(
            &folder.join("reference"),
            [sets, beyond].concat(),
            &Ran::default(),
        )
        .unwrap();
        let workers = Workers::new(WorkersConfig {
            python: environment.python.clone(),
            readable: environment.readable.clone(),
            cache: folder.join("cache"),
            logs: folder.join("logs"),
            threads: 1,
            walls: Walls::Required,
        });
        Toy {
            environment,
            workers,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            inputs,
            corners,
            reference,
            tolerances,
            folder,
        }
    })
}

fn files(sets: &[InputSet], folder: &Path) -> Vec<PathBuf> {
    sets.iter()
        .map(|set| folder.join(set.file_name()))
        .collect()
}

impl Toy {
    /// Executes one variant of the toy on a backend.
    pub fn execute(&self, backend: Backend, variant: &str, limits: Limits) -> Executed<'_> {
        let runtime = backends::of(backend);
        let made = self.folder.join(variant);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (skillset, artefact) = match runtime.form() {
            Form::Module => (Some(made.join("skillset")), None),
            Form::File { extension } => (None, Some(made.join(format!("model.{extension}")))),
        };
        let work = tempfile::tempdir_in(&self.folder).unwrap();
        let attempt = Attempt {
            request: JobRequest {
                job: Job::Execute {
                    backend,
                    skillset: skillset.as_deref().map(text),
                    artefact: artefact.as_deref().map(text),
                    checkpoint: text(&made),
                    inputs: self.inputs.iter().map(|path| text(path)).collect(),
                    corners: self.corners.iter().map(|path| text(path)).collect(),
                    repeats: 3,
                    reloads: 3,
                },
                work: work.path().to_owned(),
                readable: vec![],
                limits,
            },
            tuning: Tuning {
                optimization: None,
                threads: Some(1),
            },
        };
        let host = Host {
            environment: &self.environment,
            launcher: Path::new(env!("CARGO_BIN_EXE_portwright-caged")),
            walls: Walls::Required,
            workers: &self.workers,
        };
        let report = self
            .runtime
            .block_on(runtime.execute(&host, &attempt))
            .unwrap();
        Executed {
            toy: self,
            backend,
            expected: runtime.expected(),
            report,
            work,
        }
    }

    /// Executes one variant within the usual limits, and judges it.
    pub fn verdict(&self, backend: Backend, variant: &str) -> BackendVerdict {
        self.execute(backend, variant, limits()).judge()
    }
}

/// An execution that has ended, before the judge has seen it.
pub struct Executed<'a> {
    toy: &'a Toy,
    backend: Backend,
    pub expected: Expected,
    pub report: JobReport,
    pub work: tempfile::TempDir,
}

impl Executed<'_> {
    pub fn judge(&self) -> BackendVerdict {
        judge(&Case {
            backend: self.backend,
            expected: self.expected,
            tolerances: &self.toy.tolerances,
            reference: &self.toy.reference,
            report: &self.report,
            work: self.work.path(),
            artefact: &Digest::of("artefact"),
            artefact_bytes: 8,
            plan: &Digest::of(PLAN),
            dynamic: true,
            artefact_has_sizes: self.backend != Backend::TorchCpu,
            made: &[],
        })
    }
}

pub fn limits() -> Limits {
    Limits {
        wall: Duration::from_secs(120),
        ..Limits::default()
    }
}

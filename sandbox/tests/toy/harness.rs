//! A toy model whose artefacts are built and executed for real on every backend, and judged.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use portwright_core::{
    Backend, Digest, PortPlan,
    job::{Job, JobReport},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    backends::{self, Attempt, Host, Places, Tuning},
    environment::{Asked, Component, Environment, EnvironmentError, Options},
    judge::{
        Case, Expected, InputSet, Ran, Reference, Tolerances, branches,
        corners::{self, Further},
        inputs, judge,
    },
    pool::{JobRequest, Limits, Walls, Workers, WorkersConfig},
};

/// What all tests of a binary share: it is made once.
pub struct Toy {
    pub folder: PathBuf,
    environment: Environment,
    workers: Workers,
    runtime: tokio::runtime::Runtime,
    inputs: Vec<PathBuf>,
    corners: Vec<PathBuf>,
    reference: Reference,
    tolerances: Tolerances,
    plan: Digest,
    /// With the components of the backends that need one.
    cache: PathBuf,
}

/// What makes a toy.
pub struct Making<'a> {
    /// The folder that it is made in.
    pub name: &'a str,
    pub plan: &'a str,
    /// Below `tests`: writes the artefacts of every variant. Each script is given the folder of the drawn inputs and the one to
    /// write into, before other arguments.
    pub script: &'a str,
    pub arguments: &'a [&'a OsStr],
    /// Below `tests`: runs the job of the reference and leaves its answer in `ran.json`. Without it `script` writes the
    /// reference's outputs, and nothing else is known of it.
    pub refer: Option<&'a str>,
}

/// A toy, with its artefacts built by the environment's Python.
pub fn made(making: &Making<'_>) -> Toy {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(making.name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    let drawn = folder.join("inputs");
    fs::create_dir_all(&drawn).unwrap();
    let plan = PortPlan::from_toml(making.plan).unwrap();
    let sets = inputs::draw(&plan, true, SEED).unwrap();
    let inputs = inputs::write(&sets, &drawn).unwrap();
    let environment = Environment::locked().unwrap();
    let run = |script: &str, arguments: &[&OsStr]| {
        let status = Command::new(&environment.python)
            .args(["-I", "-B"])
            .arg(tests().join(script))
            .args([&drawn, &folder])
            .args(arguments)
            .env("CI", "true")
            .env("OMP_NUM_THREADS", "1")
            .status()
            .unwrap();
        assert!(status.success(), "{script} fails: {status}");
    };
    let draw = |further: &Further| {
        let beyond = corners::draw_into(&plan, true, further, SEED, &drawn).unwrap();
        let corners = files(&beyond, &drawn);
        let told = serde_json::json!({"inputs": &inputs, "corners": &corners});
        fs::write(folder.join("sets.json"), told.to_string()).unwrap();
        (beyond, corners)
    };
    let (mut beyond, mut corners) = draw(&Further::default());
    let (mut ran, mut limits) = (Ran::default(), Vec::new());
    if let Some(refer) = making.refer {
        let answered = || {
            run(refer, &[]);
            let text = fs::read(folder.join("ran.json")).unwrap();
            let told: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let ran: Ran = serde_json::from_value(told.clone()).unwrap();
            (ran, branches::read(&told["branches"]).unwrap())
        };
        // As the driver does it: what no set took is aimed at once, and what is still open then is a limit.
        let (first, open) = answered();
        let further = Further::of(&plan, true, &open, &first.tables);
        (beyond, corners) = draw(&further);
        let (again, open) = answered();
        (ran, limits) = (again, branches::limits(&open));
    }
    run(making.script, making.arguments);
    let sets = [sets, beyond].concat();
    let mut reference = Reference::read(&folder.join("reference"), sets, &ran).unwrap();
    reference.limits.extend(limits);
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
        tolerances: Tolerances::embedded().unwrap(),
        plan: Digest::of(making.plan),
        cache: cache(),
        folder,
    }
}

/// The cache folder, with every component fetched that this machine can have.
fn cache() -> PathBuf {
    let options = Options::new(Asked::default()).unwrap();
    for component in &Component::ALL {
        match component.install(&options, &mut |_| {}) {
            Ok(_) => {}
            // Only a machine without Node may leave a backend out.
            Err(error @ EnvironmentError::NoNode { .. }) => {
                eprintln!("{}: {error}", component.name)
            }
            Err(error) => panic!("{}: {error}", component.name),
        }
    }
    options.cache_dir
}

/// The seed of all inputs.
const SEED: u64 = 20261122;

/// The folder of the tests.
pub fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn files(sets: &[InputSet], folder: &Path) -> Vec<PathBuf> {
    sets.iter()
        .map(|set| folder.join(set.file_name()))
        .collect()
}

impl Toy {
    /// The backends that can run here. Those that come with the environment must be among them.
    pub fn backends(&self) -> Vec<Backend> {
        let there = |backend: &Backend| {
            let found = backends::of(*backend).probe(*backend, self.places());
            assert!(
                found.is_ok() || backend.spec().component.is_some(),
                "{found:?}"
            );
            found.is_ok()
        };
        Backend::all().filter(there).collect()
    }

    fn places(&self) -> Places<'_> {
        Places {
            environment: &self.environment,
            cache: &self.cache,
        }
    }

    /// Executes one variant of the toy on a backend.
    pub fn execute(&self, backend: Backend, variant: &str, limits: Limits) -> Executed<'_> {
        self.execute_behind(Walls::Required, backend, variant, limits)
    }

    /// Executes one variant of the toy on a backend, behind these walls where it has a process of its own.
    pub fn execute_behind(
        &self,
        walls: Walls,
        backend: Backend,
        variant: &str,
        limits: Limits,
    ) -> Executed<'_> {
        let runtime = backends::of(backend);
        let made = self.folder.join(variant);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (skillset, artefact) = match backend.reads().extension() {
            None => (Some(made.join("skillset")), None),
            Some(extension) => (None, Some(made.join(format!("model.{extension}")))),
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
                    repeats: 20,
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
            places: self.places(),
            launcher: Path::new(env!("CARGO_BIN_EXE_portwright-caged")),
            walls,
            workers: &self.workers,
        };
        let report = self
            .runtime
            .block_on(runtime.execute(backend, &host, &attempt))
            .unwrap();
        Executed {
            toy: self,
            backend,
            expected: Expected::of(backend),
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
            plan: &self.toy.plan,
            dynamic: true,
            artefact_has_sizes: self.backend != Backend::TORCH_CPU,
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

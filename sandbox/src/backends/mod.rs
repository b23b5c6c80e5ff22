//! The runtimes that execute an artefact, one file (or folder) for each way of running one.
//!
//! What differs between two backends and is no code stands in `core/backends.toml`, where each names its runner. A backend
//! of a runner that is here needs its entry there and, in Python, its module. It inherits every conformance case, which run
//! over the table. What a runtime's own types are stays in its file.

mod browser;
mod caged;
mod node;
pub mod onnxruntime;
mod python;

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
};

use portwright_core::{Backend, backend::Runner, job::JobReport};
use thiserror::Error;

use crate::{
    environment::{Component, Environment, Installed},
    pool::{JobRequest, Walls, WorkerError, Workers},
    process::ProcessError,
};

pub use caged::Tuning;
pub(crate) use caged::{broken, tail};

/// Every script of the web's backends with its text, listed by the build.
const WEB_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// How tensors are read and written in JavaScript. A skillset that runs on the web's runtime has it as well.
pub const SAFETENSORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/safetensors.mjs"));

/// Runs the worker that a program's first argument names, on the request in the file that its second names, and answers with
/// the process's exit code; nothing where it names none. To be called in a process of its own.
pub fn worker_main(name: &OsStr, request: &Path) -> Option<i32> {
    if name == onnxruntime::WORKER {
        return Some(onnxruntime::worker_main(request));
    }
    (name == browser::WORKER).then(|| browser::worker_main(request))
}

/// The runtime of a backend.
pub fn of(backend: Backend) -> &'static dyn BackendRuntime {
    match backend.spec().runner {
        Runner::Python => &python::Python,
        Runner::Ort => &onnxruntime::OnnxRuntime,
        Runner::Node => &node::Node,
        Runner::Browser => &browser::Browser,
    }
}

/// A runtime that executes artefacts.
pub trait BackendRuntime: fmt::Debug + Sync {
    /// The version of what is installed for a backend; where it is not, why and what helps.
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent>;

    /// Executes one attempt in the sandbox and reports how it ended.
    ///
    /// An error means that the sandbox did not work, and says nothing about the artefact.
    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a>;
}

/// A report that is being waited for.
pub type Execution<'a> = Pin<Box<dyn Future<Output = Result<JobReport, BackendError>> + Send + 'a>>;

/// Where what backends need is installed.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub environment: &'a Environment,
    /// The cache folder, with the components.
    pub cache: &'a Path,
}

/// What a backend needs of the program it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    pub places: Places<'a>,
    /// A program whose `main` knows [`CAGED`](crate::process::CAGED) and [`worker_main`]: the running one.
    pub launcher: &'a Path,
    pub walls: Walls,
    /// The Python fork server.
    pub workers: &'a Workers,
}

impl Host<'_> {
    /// Runs what blocks on a thread of its own.
    async fn blocking(
        &self,
        attempt: &Attempt,
        run: impl FnOnce(&Path, Walls, &Attempt) -> Result<JobReport, BackendError> + Send + 'static,
    ) -> Result<JobReport, BackendError> {
        let (launcher, walls, attempt) = (self.launcher.to_owned(), self.walls, attempt.clone());
        tokio::task::spawn_blocking(move || run(&launcher, walls, &attempt)).await?
    }
}

/// One execution of one artefact.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its job is a [`Job::Execute`](portwright_core::job::Job::Execute).
    pub request: JobRequest,
    /// How a session of ONNX Runtime is set up; what is no ONNX Runtime has no such choice.
    pub tuning: Tuning,
}

/// A backend that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{backend} is not there: {why}")]
pub struct Absent {
    pub backend: Backend,
    pub why: String,
    /// What helps.
    pub hint: String,
}

impl Absent {
    fn new(backend: Backend, why: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self {
            backend,
            why: why.to_string(),
            hint: hint.to_string(),
        }
    }

    /// The component that a backend needs; where it is not there, the command that fetches it is the cure.
    fn unless_component(cache: &Path, backend: Backend, name: &str) -> Result<Installed, Self> {
        let component = Component::named(name).and_then(|component| component.open(cache));
        component.ok_or_else(|| {
            Self::new(
                backend,
                format!("the component `{name}` is not installed"),
                format!("fetch it with `portwright setup {name}`"),
            )
        })
    }

    /// The version of the package that a backend needs first, looked for in the environment's list.
    fn unless_installed(environment: &Environment, backend: Backend) -> Result<String, Self> {
        let package = backend.spec().packages.first().map_or("", String::as_str);
        match environment.version(package) {
            Some(version) => Ok(version.to_owned()),
            None => Err(Self::new(
                backend,
                format!("the Python environment holds no `{package}`"),
                "remove the environment's folder and run again to have it built anew",
            )),
        }
    }
}

/// Why an attempt could not be made at all.
#[derive(Debug, Error)]
pub enum BackendError {
    #[error(transparent)]
    Absent(#[from] Absent),
    #[error("cannot prepare {path}: {source}", path = path.display())]
    Prepare {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write the request: {0}")]
    Request(#[from] serde_json::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The thread that waited for the worker panicked.
    #[error("the wait for the worker was cut short: {0}")]
    Wait(#[from] tokio::task::JoinError),
}

impl BackendError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            BackendError::Absent(absent) => absent.hint.clone(),
            BackendError::Prepare { .. } => {
                "check the disk and the permissions of the folder".to_owned()
            }
            BackendError::Request(_) | BackendError::Wait(_) => {
                "this is a defect in Portwright: please report it".to_owned()
            }
            BackendError::Process(error) => error.hint().to_owned(),
            BackendError::Worker(error) => error.hint(),
        }
    }
}

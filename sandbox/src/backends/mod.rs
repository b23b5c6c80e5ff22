//! The runtimes that execute an artefact, one file (or folder) each.
//!
//! A new backend is its file and its line in [`ALL`]; it then inherits every conformance case, which run over that
//! list. What a runtime's own types are stays in its file.

pub mod onnxruntime;
mod openvino;
mod torch_cpu;

use std::{
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
};

use portwright_core::{Backend, job::JobReport};
use thiserror::Error;

use crate::{
    environment::Environment,
    judge::Expected,
    pool::{JobRequest, Walls, WorkerError, Workers},
    process::ProcessError,
};

/// Every backend, in the order in which they are shown.
pub const ALL: [&dyn BackendRuntime; 3] = [
    &torch_cpu::TorchCpu,
    &onnxruntime::OnnxRuntime,
    &openvino::OpenVino,
];

/// The runtime of a backend.
pub fn of(backend: Backend) -> &'static dyn BackendRuntime {
    match backend {
        Backend::TorchCpu => &torch_cpu::TorchCpu,
        Backend::Onnxruntime => &onnxruntime::OnnxRuntime,
        Backend::Openvino => &openvino::OpenVino,
    }
}

/// A runtime that executes an artefact.
pub trait BackendRuntime: fmt::Debug + Sync {
    fn backend(&self) -> Backend;

    /// Where it must have executed for a pass.
    fn expected(&self) -> Expected;

    /// What it executes.
    fn form(&self) -> Form;

    /// Whether it is installed in an environment, and if not, why and what helps.
    fn probe(&self, environment: &Environment) -> Result<(), Absent>;

    /// Executes one attempt in the sandbox and reports how it ended.
    ///
    /// An error means that the sandbox did not work, and says nothing about the artefact.
    fn execute<'a>(&'a self, host: &'a Host<'_>, attempt: &'a Attempt) -> Execution<'a>;
}

/// A report that is being waited for.
pub type Execution<'a> = Pin<Box<dyn Future<Output = Result<JobReport, BackendError>> + Send + 'a>>;

/// What a backend executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The skillset's own module.
    Module,
    /// A file with this extension.
    File { extension: &'static str },
}

/// What a backend needs of the program it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    pub environment: &'a Environment,
    /// A program whose `main` knows [`CAGED`](crate::process::CAGED) and [`onnxruntime::WORKER`]: the running one.
    pub launcher: &'a Path,
    pub walls: Walls,
    /// The Python fork server.
    pub workers: &'a Workers,
}

impl<'a> Host<'a> {
    fn in_python(&'a self, attempt: &'a Attempt) -> Execution<'a> {
        Box::pin(async move { Ok(self.workers.run(&attempt.request).await?) })
    }
}

/// One execution of one artefact.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its job is a [`Job::Execute`](portwright_core::job::Job::Execute).
    pub request: JobRequest,
    /// How a session of ONNX Runtime is set up; other backends have no such choice.
    pub tuning: onnxruntime::Tuning,
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

    /// A package that a backend needs, looked for in the environment's list.
    fn unless_installed(
        environment: &Environment,
        backend: Backend,
        package: &str,
    ) -> Result<(), Self> {
        match environment.version(package) {
            Some(_) => Ok(()),
            None => Err(Self::new(
                backend,
                format!("the environment has no `{package}`"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_its_runtime() {
        for (runtime, backend) in ALL.iter().zip(Backend::ALL) {
            assert_eq!(runtime.backend(), backend);
            assert_eq!(of(backend).backend(), backend);
        }
    }

    #[test]
    fn every_backend_says_where_it_must_execute() {
        for runtime in ALL {
            let expected = runtime.expected();
            assert!(!expected.provider.is_empty() && !expected.device.is_empty());
        }
    }
}

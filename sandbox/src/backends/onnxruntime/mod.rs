//! `onnxruntime`: an ONNX file on ONNX Runtime's CPU provider, through the `ort` crate.
//!
//! The library comes from the environment's `onnxruntime` wheel. It is loaded in a caged worker process and never in
//! this one, so a crash costs an attempt and not the run.

mod chain;
mod profile;
mod values;
mod worker;

use std::path::Path;

use portwright_core::{Backend, job::JobReport};

use super::{
    Absent, Attempt, BackendError, BackendRuntime, Execution, Host, Places,
    caged::{self, Program},
};
use crate::pool::Walls;

pub use worker::{WORKER, worker_main};

/// The device that the runtime's CPU provider stands for.
const DEVICE: &str = "CPU";

/// The runner.
#[derive(Debug)]
pub struct OnnxRuntime;

impl BackendRuntime for OnnxRuntime {
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent> {
        let version = Absent::unless_installed(places.environment, backend)?;
        match places.environment.onnxruntime_library() {
            Ok(path) => Ok(format!("{version} ({})", path.display())),
            Err(error) => Err(Absent::new(backend, &error, error.hint())),
        }
    }

    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move {
            let library = match host.places.environment.onnxruntime_library() {
                Ok(library) => library,
                Err(error) => return Err(Absent::new(backend, &error, error.hint()).into()),
            };
            let (launcher, walls) = (host.launcher.to_owned(), host.walls);
            let attempt = attempt.clone();
            let run = move || execute(&launcher, walls, &library, &attempt);
            tokio::task::spawn_blocking(run).await?
        })
    }
}

/// Runs the worker on one attempt with the library at `library`. Blocks its thread.
///
/// `launcher` is a program whose `main` knows [`CAGED`](crate::process::CAGED) and [`WORKER`]: the running one.
pub fn execute(
    launcher: &Path,
    walls: Walls,
    library: &Path,
    attempt: &Attempt,
) -> Result<JobReport, BackendError> {
    let program = Program {
        launcher,
        command: launcher,
        arguments: vec![WORKER.into()],
        script: None,
        library,
        readable: library.parent().map(Path::to_owned).into_iter().collect(),
    };
    caged::run(&program, walls, attempt)
}

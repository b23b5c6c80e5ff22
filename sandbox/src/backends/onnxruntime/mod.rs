//! The backends that run an ONNX file on ONNX Runtime through the `ort` crate, each on its provider.
//!
//! The library comes from the environment's `onnxruntime` wheel, or from the backend's component. It is loaded in a caged
//! worker process and never in this one, so a crash costs an attempt and not the run.

mod chain;
mod profile;
mod values;
mod worker;

use std::path::{Path, PathBuf};

use portwright_core::{Backend, job::JobReport};

use super::{
    Absent, Attempt, BackendError, BackendRuntime, Execution, Host, Places,
    caged::{self, Program},
};
use crate::{environment::onnxruntime_in, pool::Walls};

pub(super) use worker::{WORKER, worker_main};

/// The device that the runtime's CPU provider stands for.
const DEVICE: &str = "CPU";

/// The runner.
#[derive(Debug)]
pub struct OnnxRuntime;

impl BackendRuntime for OnnxRuntime {
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent> {
        let (version, library) = installed(backend, places)?;
        Ok(format!("{version} ({})", library.display()))
    }

    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move {
            let (_, library) = installed(backend, host.places)?;
            host.blocking(attempt, move |launcher, walls, attempt| {
                execute(launcher, walls, &library, attempt)
            })
            .await
        })
    }
}

/// The version and the library of the runtime: of the backend's component where it has one, and of the environment else.
fn installed(backend: Backend, places: Places<'_>) -> Result<(String, PathBuf), Absent> {
    if let Some(name) = &backend.spec().component {
        let component = Absent::unless_component(places.cache, backend, name)?;
        let library = onnxruntime_in(&component.root).ok_or_else(|| {
            Absent::new(
                backend,
                format!("the component `{name}` holds no ONNX Runtime library"),
                format!("remove {} and fetch it anew", component.root.display()),
            )
        })?;
        return Ok((component.version.to_owned(), library));
    }
    let version = Absent::unless_installed(places.environment, backend)?;
    match places.environment.onnxruntime_library() {
        Ok(library) => Ok((version, library)),
        Err(error) => Err(Absent::new(backend, &error, error.hint())),
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

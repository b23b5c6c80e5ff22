//! The backends that run an ONNX file on ONNX Runtime through the `ort` crate, each on its provider.
//!
//! The library comes from the environment's `onnxruntime` wheel, or from the backend's component. It is loaded in a caged
//! worker process and never in this one, so a crash costs an attempt and not the run.

mod chain;
mod profile;
mod provider;
mod sessions;
mod values;
mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
};

use portwright_core::{Backend, job::JobReport};

use super::{
    Absent, Attempt, BackendError, BackendRuntime, Execution, Host, Places,
    caged::{self, Plugin, Program},
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
        let Runtime {
            version,
            library,
            plugin,
        } = installed(backend, places)?;
        Ok(match plugin {
            None => format!("{version} ({})", library.display()),
            Some(plugin) => format!("{} ({})", plugin.version, plugin.library.display()),
        })
    }

    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move {
            let Runtime {
                library, plugin, ..
            } = installed(backend, host.places)?;
            host.blocking(attempt, move |launcher, walls, attempt| {
                execute(launcher, walls, &library, plugin, attempt)
            })
            .await
        })
    }
}

/// What is loaded for a backend.
struct Runtime {
    version: String,
    library: PathBuf,
    plugin: Option<Plugin>,
}

/// The runtime of a backend. Its component has one with the provider built in, or the provider alone, for that of the
/// environment.
fn installed(backend: Backend, places: Places<'_>) -> Result<Runtime, Absent> {
    let mut plugin = None;
    if let Some(name) = &backend.spec().component {
        let component = Absent::unless_component(places.cache, backend, name)?;
        let version = component.version.to_owned();
        if let Some(library) = onnxruntime_in(&component.root) {
            return Ok(Runtime {
                version,
                library,
                plugin,
            });
        }
        let Some(library) = provider_in(&component.root) else {
            return Err(Absent::new(
                backend,
                format!("the component `{name}` holds no ONNX Runtime library and no provider"),
                format!("remove {} and fetch it anew", component.root.display()),
            ));
        };
        plugin = Some(Plugin { library, version });
    }
    let version = Absent::unless_installed(places.environment, backend)?;
    match places.environment.onnxruntime_library() {
        Ok(library) => Ok(Runtime {
            version,
            library,
            plugin,
        }),
        Err(error) => Err(Absent::new(backend, &error, error.hint())),
    }
}

/// The library of a provider in a folder of packages.
fn provider_in(packages: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(packages).ok()?.flatten();
    folders
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flat_map(|files| files.flatten())
        .map(|file| file.path())
        .find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| {
                name.starts_with("libonnxruntime_providers_") && name.ends_with(".so")
            })
        })
}

/// Runs the worker on one attempt with the library at `library`. Blocks its thread.
///
/// `launcher` is a program whose `main` knows [`CAGED`](crate::process::CAGED) and [`WORKER`]: the running one.
pub fn execute(
    launcher: &Path,
    walls: Walls,
    library: &Path,
    plugin: Option<Plugin>,
    attempt: &Attempt,
) -> Result<JobReport, BackendError> {
    let program = Program {
        launcher,
        command: launcher,
        arguments: vec![WORKER.into()],
        script: None,
        library,
        // A provider's package has its own libraries beside it.
        readable: (plugin
            .iter()
            .filter_map(|plugin| plugin.library.parent()?.parent()))
        .chain(library.parent())
        .map(Path::to_owned)
        .collect(),
        plugin,
    };
    caged::run(&program, walls, attempt)
}

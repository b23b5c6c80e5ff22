//! The backends that run in a browser without a screen: each is a module of `sandbox/web` that is named like the backend, and
//! runs in a page of a browser of its own, which is started for the attempt and ended after it.
//!
//! A caged worker starts the browser and drives it over the pipe of its developer tools. Nothing is served on a network:
//! whatever the page asks for, the worker hands to it over that pipe, and what it does not know is refused. The browser's own
//! sandbox is off, since it cannot be built inside ours; ours is the wall.

mod devtools;
mod page;
mod worker;

use std::path::{Path, PathBuf};

use portwright_core::{Backend, job::JobReport};

use super::{
    Absent, Attempt, BackendError, BackendRuntime, Execution, Host, Places,
    caged::{self, Program},
};
use crate::{environment::Installed, pool::Walls};

pub(super) use worker::{WORKER, worker_main};

/// The browser, below the component's folder.
const BROWSER: &str = "chromium/chromium";

/// The runner.
#[derive(Debug)]
pub struct Browser;

impl BackendRuntime for Browser {
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent> {
        installed(backend, places.cache).map(|installed| installed.to_string())
    }

    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move {
            let Installed { root, .. } = installed(backend, host.places.cache)?;
            host.blocking(attempt, move |launcher, walls, attempt| {
                execute(launcher, walls, root, attempt)
            })
            .await
        })
    }
}

/// The backend's component, with a browser for this machine.
fn installed(backend: Backend, cache: &Path) -> Result<Installed, Absent> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Absent::new(
            backend,
            "the browser is there for Linux on x86-64 only",
            "run it on such a machine",
        ));
    }
    let name = backend.spec().component.as_deref().unwrap_or_default();
    let installed = Absent::unless_component(cache, backend, name)?;
    if !installed.root.join(BROWSER).is_file() {
        return Err(Absent::new(
            backend,
            format!("the component `{name}` holds no browser"),
            format!(
                "remove {} and fetch it anew with `portwright setup {name}`",
                installed.root.display()
            ),
        ));
    }
    Ok(installed)
}

/// Runs the worker on one attempt with the component at `root`. Blocks its thread.
fn execute(
    launcher: &Path,
    walls: Walls,
    root: PathBuf,
    attempt: &Attempt,
) -> Result<JobReport, BackendError> {
    let program = Program {
        launcher,
        command: launcher,
        arguments: vec![WORKER.into()],
        script: None,
        library: &root,
        plugin: None,
        readable: vec![root.clone()],
    };
    caged::run(&program, walls, attempt)
}

#[cfg(test)]
mod tests {
    use portwright_core::backend::Runner;

    use super::{super::WEB_FILES, *};

    #[test]
    fn every_backend_of_the_browser_has_its_module_and_names_how_it_is_fetched() {
        let cache = tempfile::tempdir().unwrap();
        for backend in Backend::all().filter(|it| it.spec().runner == Runner::Browser) {
            let module = format!("{backend}.mjs");
            assert!(
                WEB_FILES.iter().any(|(name, _)| *name == module),
                "{backend}"
            );
            let absent = installed(backend, cache.path()).unwrap_err();
            assert!(!absent.hint.is_empty(), "{backend}");
        }
    }
}

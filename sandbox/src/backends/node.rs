//! The backends that run in Node: each is a script of `sandbox/web` that is named like the backend, and runs in a caged
//! process of its own. What it loads comes from the backend's component.

use std::path::{Path, PathBuf};

use portwright_core::{Backend, job::JobReport};

use super::{
    Absent, Attempt, BackendError, BackendRuntime, Execution, Host, Places, WEB_FILES,
    caged::{self, Program, Script},
};
use crate::{environment::Installed, pool::Walls};

/// The module that a script loads, below the component's folder.
const LIBRARY: &str = "node_modules/onnxruntime-web/dist/ort.node.min.mjs";

/// The runner.
#[derive(Debug)]
pub struct Node;

impl BackendRuntime for Node {
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent> {
        let (installed, _) = installed(backend, places.cache)?;
        Ok(installed.to_string())
    }

    fn execute<'a>(
        &'a self,
        backend: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move {
            let (installed, node) = installed(backend, host.places.cache)?;
            host.blocking(attempt, move |launcher, walls, attempt| {
                execute(backend, launcher, walls, &installed, &node, attempt)
            })
            .await
        })
    }
}

/// The backend's component, and the Node that it was fetched with.
fn installed(backend: Backend, cache: &Path) -> Result<(Installed, PathBuf), Absent> {
    let name = backend.spec().component.as_deref().unwrap_or_default();
    let installed = Absent::unless_component(cache, backend, name)?;
    match installed.program.clone() {
        Some(node) => Ok((installed, node)),
        None => Err(Absent::new(
            backend,
            format!("the component `{name}` has no Node"),
            format!("fetch it anew with `portwright setup {name}`"),
        )),
    }
}

fn execute(
    backend: Backend,
    launcher: &Path,
    walls: Walls,
    installed: &Installed,
    node: &Path,
    attempt: &Attempt,
) -> Result<JobReport, BackendError> {
    let main = format!("{backend}.mjs");
    let program = Program {
        launcher,
        command: node,
        // Memory after a reload is measured, so what is unused has to be collected first.
        arguments: vec!["--expose-gc".into()],
        script: Some(Script {
            files: WEB_FILES,
            main: &main,
        }),
        library: &installed.root.join(LIBRARY),
        plugin: None,
        readable: vec![installed.root.clone()],
    };
    caged::run(&program, walls, attempt)
}

#[cfg(test)]
mod tests {
    use portwright_core::backend::Runner;

    use super::*;
    use crate::environment::Component;

    #[test]
    fn every_backend_of_node_has_its_script_and_its_component() {
        for backend in Backend::all().filter(|it| it.spec().runner == Runner::Node) {
            let script = format!("{backend}.mjs");
            assert!(
                WEB_FILES.iter().any(|(name, _)| *name == script),
                "{backend}"
            );
            let component = backend.spec().component.as_deref().unwrap();
            assert!(Component::named(component).is_some(), "{backend}");
        }
    }

    #[test]
    fn a_component_that_is_not_there_names_the_command_that_fetches_it() {
        let cache = tempfile::tempdir().unwrap();
        let mut backends = Backend::all();
        let backend = backends
            .find(|it| it.spec().runner == Runner::Node)
            .unwrap();
        let absent = installed(backend, cache.path()).unwrap_err();
        assert!(
            absent.hint.contains("portwright setup web"),
            "{}",
            absent.hint
        );
    }
}

//! The backends that run in the Python worker: each is a module of `python/portwright_worker/backends` that is named like
//! the backend.

use portwright_core::Backend;

use super::{Absent, Attempt, BackendRuntime, Execution, Host, Places};

/// The runner.
#[derive(Debug)]
pub struct Python;

impl BackendRuntime for Python {
    fn probe(&self, backend: Backend, places: Places<'_>) -> Result<String, Absent> {
        Absent::unless_installed(places.environment, backend)
    }

    fn execute<'a>(
        &'a self,
        _: Backend,
        host: &'a Host<'_>,
        attempt: &'a Attempt,
    ) -> Execution<'a> {
        Box::pin(async move { Ok(host.workers.run(&attempt.request).await?) })
    }
}

//! One execution of a job on a backend, within the session's walls and limits. Its cost is the launch's.

use std::path::{Path, PathBuf};

use portwright_core::{
    Backend,
    job::{Job, JobReport},
};
use portwright_sandbox::{
    backends::{self, Attempt, Host, Tuning},
    pool::JobRequest,
};

use super::{DriverError, launch::Launch, space::had_space, steps::subfolder};

impl Launch<'_> {
    /// Runs `job` below `folder`; it may read `readable` beside what it names itself.
    pub async fn execute(
        &self,
        backend: Backend,
        job: Job,
        folder: &Path,
        readable: Vec<PathBuf>,
        tuning: Tuning,
    ) -> Result<JobReport, DriverError> {
        let session = self.steps.session;
        let host = Host {
            places: session.places(),
            launcher: &session.launcher,
            walls: session.walls,
            workers: &session.workers,
        };
        let attempt = Attempt {
            request: JobRequest {
                job,
                work: subfolder(folder, "job")?,
                readable,
                limits: self.steps.limits(),
            },
            tuning,
        };
        let runtime = backends::of(backend);
        let report = runtime.execute(backend, &host, &attempt).await?;
        self.steps.spent(&attempt.request.job, &report);
        had_space(&report, &attempt.request.work, session.ledger.folder())?;
        Ok(report)
    }
}

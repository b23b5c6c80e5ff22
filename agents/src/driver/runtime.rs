//! Runs a backend on an artefact.

use std::path::PathBuf;

use portwright_core::{
    Backend,
    job::{Job, JobReport},
};
use portwright_sandbox::{
    backends::{self, Attempt, Host, onnxruntime::Tuning},
    pool::JobRequest,
};

use super::{DriverError, Session};

/// Executes `job`, a [`Job::Execute`], on `backend`.
pub async fn run_backend(
    session: &Session,
    backend: Backend,
    job: Job,
    work: PathBuf,
    readable: Vec<PathBuf>,
    optimization: Option<String>,
) -> Result<JobReport, DriverError> {
    let host = Host {
        environment: &session.environment,
        launcher: &session.launcher,
        walls: session.walls,
        workers: &session.workers,
    };
    let attempt = Attempt {
        request: JobRequest { job, work, readable, limits: session.limits },
        tuning: Tuning { optimization, threads: None },
    };
    Ok(backends::of(backend).execute(&host, &attempt).await?)
}

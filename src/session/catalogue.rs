//! The catalogue of an environment: read from the library once, and kept beside the environment.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use portwright_agents::driver::{DriverError, Session};
use portwright_core::{
    Catalogue, Inventory,
    job::{Job, JobOutcome},
};
use portwright_knowledge::catalogue;
use portwright_sandbox::{
    environment::Environment,
    pool::{JobRequest, Limits, Workers},
};

use super::storage;
use crate::{error::CliError, exit, output};

/// The catalogue of the session's environment.
pub async fn catalogue(session: &Session, cache: &Path) -> Result<Catalogue, CliError> {
    if let Some(kept) = kept(&session.environment, cache) {
        return Ok(kept);
    }
    let work = session
        .ledger
        .folder()
        .join("work")
        .join(format!("catalogue-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|error| storage(&work, &error))?;
    let job = JobRequest {
        job: Job::Catalogue,
        work: work.clone(),
        readable: Vec::new(),
        limits: enough(session.limits),
    };
    let report = session.workers.run(&job).await;
    fs::remove_dir_all(&work).map_err(|error| storage(&work, &error))?;
    let seen = inventory(report.map_err(DriverError::from)?.outcome)?;
    let catalogue = catalogue::assemble(&seen).map_err(CliError::internal)?;
    keep(&place(&session.environment, cache), &catalogue)?;
    Ok(catalogue)
}

/// The catalogue, if it was read before.
pub fn kept(environment: &Environment, cache: &Path) -> Option<Catalogue> {
    let text = fs::read_to_string(place(environment, cache)).ok()?;
    // One that does not parse was damaged, and is read from the library again.
    Catalogue::from_json(&text).ok()
}

/// The name carries everything that makes a catalogue: the environment, the code that reads the library, and the code
/// that concludes from what was read. So one of another form is never found.
fn place(environment: &Environment, cache: &Path) -> PathBuf {
    let worker = Workers::code_digest();
    let worker = worker.get(..16).unwrap_or(&worker);
    let conclusions = catalogue::code_digest();
    cache.join("catalogues").join(format!(
        "{}-{worker}-{}.json",
        environment.key,
        conclusions.short()
    ))
}

/// Every modelling file of the library is imported, about 0.9 GB: what a user allows a small model may be less.
fn enough(asked: Limits) -> Limits {
    Limits {
        memory_bytes: asked.memory_bytes.max(4 << 30),
        wall: asked.wall.max(Duration::from_secs(600)),
        cpu: asked.cpu.max(Duration::from_secs(600)),
        ..asked
    }
}

fn inventory(outcome: JobOutcome) -> Result<Inventory, CliError> {
    let why = match outcome {
        JobOutcome::Done { result } => {
            return serde_json::from_value(result).map_err(CliError::internal);
        }
        JobOutcome::Failed { error } => {
            format!("{}: {} ({})", error.exception, error.message, error.doing)
        }
        JobOutcome::TimedOut { seconds } => format!("it took longer than {seconds:.0} s"),
        JobOutcome::OutOfMemory { peak_bytes, .. } => {
            format!("it needed more than {} MiB of memory", peak_bytes >> 20)
        }
        JobOutcome::Crashed { status, log } => format!("it crashed ({status})\n{log}"),
    };
    Err(CliError::new(
        exit::ENVIRONMENT,
        format!("the model types of the installed Transformers cannot be read: {why}"),
        Some("`portwright doctor` checks the environment".to_owned()),
    ))
}

fn keep(file: &Path, catalogue: &Catalogue) -> Result<(), CliError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| storage(folder, &error))?;
    let text = serde_json::to_string(catalogue).map_err(CliError::internal)?;
    output::file(file, &text)
}

#[cfg(test)]
mod tests {
    use portwright_core::job::JobError;

    use super::*;

    #[test]
    fn a_small_limit_for_models_does_not_keep_the_library_from_being_read() {
        let small = Limits {
            memory_bytes: 1 << 20,
            wall: Duration::from_secs(1),
            ..Limits::default()
        };
        let limits = enough(small);
        assert!(limits.memory_bytes >= 2 << 30 && limits.wall >= Duration::from_secs(60));
        let large = Limits {
            memory_bytes: 64 << 30,
            ..small
        };
        assert_eq!(enough(large).memory_bytes, 64 << 30);
    }

    #[test]
    fn a_job_that_did_not_answer_is_an_error_with_its_reason() {
        let failed = JobOutcome::Failed {
            error: JobError {
                exception: "ImportError".into(),
                message: "no torch".into(),
                ..JobError::default()
            },
        };
        let error = inventory(failed).unwrap_err();
        assert_eq!(error.code, exit::ENVIRONMENT);
        assert!(error.message.contains("no torch"), "{}", error.message);
    }
}

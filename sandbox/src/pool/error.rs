//! Why a job was not run. How a job that was run ended is no error: see
//! [`JobOutcome`](portwright_core::job::JobOutcome).

use std::{io, path::PathBuf};

use crate::isolation::{CageError, LibraryError};

/// A job could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A folder or file that the pool needs cannot be written or read.
    #[error("cannot prepare {}: {source}", path.display())]
    Prepare { path: PathBuf, source: io::Error },
    /// The cage library is not on disk.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The policy cannot be told to the worker.
    #[error(transparent)]
    Policy(#[from] CageError),
    /// The environment's Python cannot be started.
    #[error("cannot start {}: {source}", python.display())]
    Launch { python: PathBuf, source: io::Error },
    /// The server ended, or spoke nonsense, before it was ready.
    #[error("the Python worker did not start: {reason}")]
    NotReady { reason: String, log: PathBuf },
    /// The server refused the request: the two sides do not match.
    #[error("the Python worker refused the job: {0}")]
    Refused(String),
    /// The job's process could not lock itself in, so nothing was run.
    #[error("{0}")]
    NotCaged(String),
    /// The watchdog failed; the job was ended.
    #[error("cannot watch the job: {0}")]
    Watch(#[source] io::Error),
}

impl WorkerError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            WorkerError::Prepare { .. } => {
                "make room and check that the folder can be written".to_owned()
            }
            WorkerError::Library(error) => error.hint().to_owned(),
            WorkerError::Policy(error) => error.hint().to_owned(),
            WorkerError::Launch { .. } => {
                "the Python environment is damaged: remove its folder, and the next run builds it anew".to_owned()
            }
            WorkerError::NotReady { log, .. } => format!("the whole story is in {}", log.display()),
            WorkerError::Refused(_) => {
                "if the system is short of processes, run less beside it; otherwise please report this as a fault of portwright"
                    .to_owned()
            }
            WorkerError::NotCaged(said) => said.split_once("\nhint: ").map_or_else(
                || "run `portwright doctor` to see what this kernel allows".to_owned(),
                |(_, hint)| hint.to_owned(),
            ),
            WorkerError::Watch(_) => {
                "run `portwright doctor`; the watchdog needs Linux 5.3 and a readable /proc".to_owned()
            }
        }
    }
}

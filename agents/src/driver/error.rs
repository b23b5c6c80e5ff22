//! What can go wrong outside the model type: tools, storage, the sandbox.

use std::{io, path::Path, path::PathBuf};

use portwright_core::plan::PlanError;
use portwright_ledger::LedgerError;
use portwright_sandbox::{backends::BackendError, pool::WorkerError, process::ProcessError};
use portwright_tools::{render::RenderError, repository::RepositoryError};
use thiserror::Error;

/// Why a launch could not go on. What lies in the model type is a finding instead.
#[derive(Debug, Error)]
pub enum DriverError {
    #[error("{path}: {source}")]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("a result cannot be read as the type it was written as: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a task of the driver ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("the judge's inputs cannot be drawn: {0}")]
    Inputs(String),
    #[error("the launch met a defect: {0}")]
    Panic(String),
}

/// Whose fault it is, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Usage,
    Environment,
    Sandbox,
    Storage,
    Internal,
}

impl DriverError {
    pub(crate) fn folder(path: &Path, source: io::Error) -> Self {
        DriverError::Folder {
            path: path.to_owned(),
            source,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            DriverError::Folder { source, .. } => Some(match source.kind() {
                io::ErrorKind::StorageFull => {
                    "free some space, or choose another folder with `ledger.dir`".to_owned()
                }
                _ => "check that the folder exists and that you may write to it".to_owned(),
            }),
            DriverError::Ledger(error) => Some(error.hint()),
            DriverError::Worker(error) => Some(error.hint().to_string()),
            DriverError::Backend(error) => Some(error.hint().to_owned()),
            DriverError::Repository(error) => Some(error.hint().to_string()),
            DriverError::Plan(error) => Some(error.hint().to_owned()),
            DriverError::Render(_)
            | DriverError::Json(_)
            | DriverError::Task(_)
            | DriverError::Panic(_)
            | DriverError::Inputs(_) => Some(
                "this is a defect in Portwright: please report it with the run's events".to_owned(),
            ),
        }
    }

    pub fn blame(&self) -> Blame {
        match self {
            DriverError::Folder { .. } | DriverError::Ledger(_) | DriverError::Repository(_) => {
                Blame::Storage
            }
            DriverError::Worker(WorkerError::NotCaged(_))
            | DriverError::Backend(BackendError::Process(ProcessError::Refused { .. })) => {
                Blame::Sandbox
            }
            DriverError::Worker(_) | DriverError::Backend(_) => Blame::Environment,
            DriverError::Plan(_) => Blame::Usage,
            DriverError::Render(_)
            | DriverError::Json(_)
            | DriverError::Task(_)
            | DriverError::Panic(_)
            | DriverError::Inputs(_) => Blame::Internal,
        }
    }
}

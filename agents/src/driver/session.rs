//! What every launch of this process shares: the environment, the workers, the ledger, the limits.

use std::{path::PathBuf, sync::Arc};

use portwright_core::{Digest, RunId};
use portwright_ledger::Ledger;
use portwright_sandbox::{
    environment::Environment,
    judge::Tolerances,
    pool::{Limits, Walls, Workers},
};

use super::Observer;

/// The driver's means.
pub struct Session {
    pub environment: Environment,
    pub workers: Workers,
    /// The program whose hidden subcommands run caged workers: this one.
    pub launcher: PathBuf,
    pub walls: Walls,
    pub ledger: Ledger,
    pub limits: Limits,
    pub tolerances: Tolerances,
    /// The digest of everything outside a request that can change a result: this program, the environment, the
    /// isolation asked for.
    pub identity: Digest,
    pub observer: Arc<dyn Observer>,
}

impl Session {
    /// The folder that holds the files of a run's steps.
    pub fn work_folder(&self, run: &RunId) -> PathBuf {
        self.ledger.folder().join("work").join(run.as_str())
    }
}

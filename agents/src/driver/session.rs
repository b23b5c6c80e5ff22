//! What every launch of this process shares: the environment, the workers, the ledger, the limits.

use std::{path::PathBuf, sync::Arc};

use portwright_core::{Digest, RunId};
use portwright_ledger::Ledger;
use portwright_sandbox::{
    backends::Places,
    elsewhere::Warm,
    environment::Environment,
    judge::Tolerances,
    pool::{Limits, Walls, Workers},
};

use super::Observer;
use crate::llm::Model;

/// The driver's means.
pub struct Session {
    pub environment: Environment,
    pub workers: Workers,
    /// Where the reference is computed once more.
    pub elsewhere: Arc<Warm>,
    /// The program whose hidden subcommands run caged workers: this one.
    pub launcher: PathBuf,
    pub walls: Walls,
    pub ledger: Ledger,
    /// The cache folder, with the components of backends.
    pub cache: PathBuf,
    /// The folder of the index of the knowledge, which may not be there.
    pub knowledge: PathBuf,
    pub limits: Limits,
    /// Threads of a job.
    pub threads: usize,
    pub tolerances: Tolerances,
    /// The digest of everything outside a request that can change the way of a run: this program, the environment,
    /// the isolation and limits asked for.
    pub identity: Digest,
    /// The digest of everything outside a plan that can change what a job answers and what the judge makes of it: the
    /// code of the sandbox and the judge, the environment, the isolation and limits. Unlike the identity it stays the
    /// same when a rule or an agent changes.
    pub scope: Digest,
    /// The language model that launches may ask.
    pub model: Option<Model>,
    pub observer: Arc<dyn Observer>,
}

impl Session {
    /// Where what backends need is installed.
    pub fn places(&self) -> Places<'_> {
        Places {
            environment: &self.environment,
            cache: &self.cache,
        }
    }

    /// The folder that holds the files of a run's steps.
    pub fn work_folder(&self, run: &RunId) -> PathBuf {
        self.ledger.folder().join("work").join(run.as_str())
    }
}

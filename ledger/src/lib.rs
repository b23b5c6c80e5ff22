//! What happened: runs, events, finished steps, verdicts, sweeps, lessons and artefacts.
//!
//! A ledger is one folder:
//!
//! ```text
//! ledger.sqlite      runs, events, steps, verdicts, sweeps, lessons (SQLite, write-ahead log)
//! store/ab/cdef…     artefacts, each named by the SHA-256 of its bytes
//! store/incoming/    artefacts being written; nothing refers to them until they are moved into place
//! locks/<key>.lock   held while a process works on the run with that key
//! locks/any.lock     held by all such processes together, or by the one that cleans up
//! ```
//!
//! # What is kept when the power goes Every function that records something returns after its transaction was
//! committed with `synchronous=FULL`, which flushes the write-ahead log to the disk. So what was acknowledged
//! survives `kill -9` without condition, and a crash of the system or a power loss as far as the disk honours a
//! flush. An artefact is flushed, and its folder too, before its digest is returned; a caller that stores first and
//! records afterwards never leaves a record that points at nothing. A run writes some dozens of events, so the flush
//! of each costs nothing that a person would notice.
//!
//! Nothing is ever half there: a transaction is there or not, and an artefact is moved into place when it is complete.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod database;
mod error;
mod events;
mod lessons;
mod lock;
mod runs;
mod steps;
pub mod store;
mod sweeps;
#[cfg(test)]
mod testing;
mod verdicts;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use error::{LedgerError, Result};
pub use lock::{Alone, Holder, RunLock};
pub use runs::{NewRun, Run};
pub use steps::{NewStep, Step};
pub use store::Store;
pub use sweeps::{NewSweep, Sweep};
pub use verdicts::RecordedVerdict;

/// The record of everything that happened. It can be shared between threads; several processes may have it open.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    database: PathBuf,
    connection: Mutex<Connection>,
    store: Store,
}

impl Ledger {
    /// Opens the ledger in `folder`, creating it where there is none.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(error::io("create", folder))?;
        // Jobs run elsewhere, so every path handed out must mean the same there.
        let folder = folder
            .canonicalize()
            .map_err(error::io("resolve", folder))?;
        let database = folder.join("ledger.sqlite");
        let connection = database::open(&folder, &database)?;
        let store = Store::open(folder.join("store"))?;
        Ok(Self {
            folder,
            database,
            connection: Mutex::new(connection),
            store,
        })
    }

    /// The folder that holds the ledger.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The artefacts.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread rolled its transaction back, so the connection itself is sound.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in one transaction that holds the write lock from its start, so that what it reads stays true.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| self.failed(source))?;
        let value = work(&transaction)?;
        transaction.commit().map_err(|source| self.failed(source))?;
        Ok(value)
    }

    fn failed(&self, source: rusqlite::Error) -> LedgerError {
        error::sqlite(&self.database, source)
    }
}

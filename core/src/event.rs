//! What happened in a run, as the ledger keeps it and the terminal shows it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{digest::Digest, ids::RunId, verdict::BackendVerdict};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        target: String,
        settings: Value,
    },
    /// A killed run goes on.
    RunResumed,
    /// A step begins. `key` is the digest of everything that can change its result.
    StepStarted {
        step: String,
        key: Digest,
    },
    /// A step ended, and its result is kept under its key.
    StepFinished {
        step: String,
        key: Digest,
        reused: bool,
        seconds: f64,
    },
    /// An agent decided something a person may want to know.
    Decided {
        agent: String,
        what: String,
    },
    /// A language model was asked.
    Consulted {
        agent: String,
        model: String,
        /// What it called, or why there is no answer.
        what: String,
        /// Of this question and its answer.
        tokens: u64,
        seconds: f64,
        /// Absent where the model's price is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dollars: Option<f64>,
        /// Of the launch so far, and of its budget.
        tokens_spent: u64,
        tokens_allowed: u64,
    },
    VerdictReached {
        verdict: Box<BackendVerdict>,
        fresh: bool,
    },
    Committed {
        branch: String,
        commit: String,
    },
    RunFinished {
        exit_code: u8,
    },
}

/// An event with its run, place and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub run: RunId,
    /// Counted from 1 within the run.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    #[serde(flatten)]
    pub event: Event,
}

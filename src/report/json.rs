//! The `--json` document of a run; docs/reference/json.md is its reference.

use portwright_core::{ModelType, RunId, verdict::BackendVerdict};
use serde::Serialize;

/// The version of the document.
pub const SCHEMA: u32 = 1;

/// One run, as one JSON document.
#[derive(Debug, Serialize)]
pub struct RunDocument<'a> {
    pub schema: u32,
    pub run: &'a RunId,
    pub model_type: &'a ModelType,
    /// The release of Transformers in the environment.
    pub library_version: &'a str,
    /// The model class of the plan; null where no plan was found.
    pub class: Option<&'a str>,
    /// The model types from which a model without a `forward` is put together; its verdicts are not about them.
    pub components: &'a [ModelType],
    pub verdicts: &'a [BackendVerdict],
    /// Generation with a cache; empty for a type that does not generate.
    pub generation: &'a [BackendVerdict],
    /// The commit in the skillset repository, or null where nothing was committed.
    pub commit: Option<&'a str>,
    pub branch: Option<&'a str>,
    /// Whether every step was found finished in the ledger.
    pub reused: bool,
    pub seconds: f64,
}

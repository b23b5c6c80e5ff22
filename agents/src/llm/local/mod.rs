//! The local model: fetched by digest into the cache folder, served on this machine by a child process.

mod fetch;
mod serve;

use std::{collections::BTreeMap, path::PathBuf};

use portwright_sandbox::environment::EnvironmentError;
use serde::Deserialize;
use thiserror::Error;

pub use fetch::fetch;
pub use serve::Server;

/// Tokens of a question and its answer that the server holds.
pub const CONTEXT: u32 = 8192;

/// One local model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The local models by size, e.g. `1.5b`.
pub fn models() -> Result<BTreeMap<String, Weights>, LocalError> {
    toml::from_str(include_str!("models.toml"))
        .map_err(|error| LocalError::Table(error.to_string()))
}

/// What the server is started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The interpreter of the server's environment.
    pub python: PathBuf,
    pub weights: PathBuf,
    pub name: String,
    pub threads: usize,
    /// Where the server's own words go.
    pub log: PathBuf,
}

/// Why the local model is not there.
#[derive(Debug, Error)]
pub enum LocalError {
    #[error("there is no local model of size `{size}`; there are {known}")]
    Size { size: String, known: String },
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("{}: {source}", path.display())]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the parts of the local model amount to {found}, and not to {wanted}")]
    Digest { found: String, wanted: String },
    #[error("the table of local models is broken: {0}")]
    Table(String),
}

impl LocalError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            LocalError::Size { .. } => "name one of them with --llm-model".into(),
            LocalError::Environment(error) => error.hint(),
            LocalError::Folder { .. } => {
                "check the free space of the cache folder and your right to write there".into()
            }
            LocalError::Digest { .. } => {
                "the packages have changed, and what they hold now is refused; name an endpoint with --llm instead"
                    .into()
            }
            LocalError::Table(_) => "this is a defect in Portwright: please report it".into(),
        }
    }
}

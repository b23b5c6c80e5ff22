//! What can go wrong between a question and its answer, each with its cure.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::corpus::CorpusError;

/// Why nothing could be looked up.
#[derive(Debug, Error)]
pub enum RetrievalError {
    #[error("there is no index of the knowledge yet: {folder} holds none")]
    NoIndex { folder: PathBuf },
    #[error("the index in {folder} was made by another version of Portwright")]
    OtherVersion { folder: PathBuf },
    #[error("another process is building the index in {folder}")]
    Busy { folder: PathBuf },
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("the index in {folder} cannot be used: {source}")]
    Index {
        folder: PathBuf,
        #[source]
        source: tantivy::TantivyError,
    },
    #[error("cannot {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("a note in the index in {folder} cannot be read: {source}")]
    Note {
        folder: PathBuf,
        source: serde_json::Error,
    },
}

impl RetrievalError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoIndex { .. } | Self::OtherVersion { .. } => {
                "run `portwright knowledge build`".into()
            }
            Self::Busy { .. } => "wait until it has ended, and try again".into(),
            Self::Corpus(error) => error.hint(),
            Self::Index { folder, .. } | Self::Note { folder, .. } => format!(
                "if the disk is not full, remove {} and run `portwright knowledge build`",
                folder.display()
            ),
            Self::Io { .. } => "check the free space and your right to write there".into(),
        }
    }
}

/// Wraps an I/O error with what was being done to which path.
pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RetrievalError {
    let path = path.to_owned();
    move |source| RetrievalError::Io { what, path, source }
}

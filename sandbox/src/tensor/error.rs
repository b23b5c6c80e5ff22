//! What can be wrong with a file of tensors.

use std::path::PathBuf;

use thiserror::Error;

use super::LARGEST_FILE;

/// Why a file of tensors could not be read or written.
#[derive(Debug, Error)]
pub enum TensorError {
    #[error("{path} is not there")]
    Missing { path: PathBuf },
    #[error("{path} is {what}; only a plain file of the job's own is read")]
    NotPlain { path: PathBuf, what: &'static str },
    #[error("{path} lies outside the job's folder")]
    Outside { path: PathBuf },
    #[error("{path} has {bytes} bytes; at most {LARGEST_FILE} are read")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} is no safetensors file: {why}")]
    Malformed { path: PathBuf, why: String },
    #[error("{path} holds `{name}` as {found}, which is not compared")]
    Element {
        path: PathBuf,
        name: String,
        found: String,
    },
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl TensorError {
    /// The cause in words that are the same wherever it occurs.
    pub fn phrase(&self) -> &'static str {
        match self {
            TensorError::Missing { .. } => "file missing",
            TensorError::NotPlain { .. } | TensorError::Outside { .. } => "not a plain file",
            TensorError::TooLarge { .. } => "file too large",
            TensorError::Malformed { .. } => "malformed file",
            TensorError::Element { .. } => "element type not compared",
            TensorError::Io { .. } => "file unreadable",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            TensorError::Missing { .. } => {
                "the job answered without writing this file: read its log, and check that every output is a tensor"
            }
            TensorError::NotPlain { .. } | TensorError::Outside { .. } => {
                "the job tried to have another file judged in place of its own: read the generated code before running it again"
            }
            TensorError::TooLarge { .. } => "make the plan's sizes smaller",
            TensorError::Malformed { .. } => {
                "the job wrote a broken file, or was cut off while it wrote: read its log"
            }
            TensorError::Element { .. } => {
                "have the model return booleans, whole numbers or floating numbers of 16 to 64 bits"
            }
            TensorError::Io { .. } => {
                "check the disk and the permissions of the work folder, then run again"
            }
        }
    }
}

//! Stores of vectors: one trait, an embedded store and a server, and one suite of tests that both pass.

mod flat;
mod qdrant;

#[cfg(test)]
mod contract;

use std::{collections::HashSet, path::PathBuf};

use portwright_core::Digest;
use thiserror::Error;

pub use flat::Flat;
pub use qdrant::Qdrant;

/// How many numbers a vector has.
pub const WIDTH: usize = 384;

/// A vector of length 1.
pub type Vector = Vec<f32>;

/// Keeps a vector for each key. A key is the digest of the text that the vector stands for, so the vector of a key never
/// changes.
pub trait VectorStore {
    /// The keys that have a vector.
    fn keys(&self) -> Result<HashSet<Digest>, VectorError>;

    /// Adds vectors. All of them are there when this returns; a process that dies meanwhile leaves some or none.
    fn put(&mut self, vectors: &[(Digest, Vector)]) -> Result<(), VectorError>;

    /// Removes the vectors of all other keys.
    fn retain(&mut self, keys: &HashSet<Digest>) -> Result<(), VectorError>;

    /// The `limit` keys whose vectors point most nearly the same way, the best first, each with its cosine; only of
    /// the keys in `among`, where some are given.
    fn nearest(
        &self,
        vector: &[f32],
        among: Option<&HashSet<Digest>>,
        limit: usize,
    ) -> Result<Vec<(Digest, f32)>, VectorError>;
}

/// Why a store of vectors cannot be used.
#[derive(Debug, Error)]
pub enum VectorError {
    #[error("cannot {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is damaged: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("a vector has {found} numbers instead of {WIDTH}")]
    Width { found: usize },
    #[error("the Qdrant server at {url}: {what}")]
    Server { url: String, what: String },
}

impl VectorError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "check the free space and your right to write there".into(),
            Self::Damaged { path, .. } => format!(
                "remove {} and run `portwright knowledge build`",
                path.display()
            ),
            Self::Width { .. } => {
                "this is a defect in Portwright: please report it".into()
            }
            Self::Server { .. } => {
                "check that QDRANT_URL names the server's gRPC address, such as http://localhost:6334, or unset it".into()
            }
        }
    }
}

/// Refuses a vector of another width.
fn checked(vector: &[f32]) -> Result<(), VectorError> {
    match vector.len() {
        WIDTH => Ok(()),
        found => Err(VectorError::Width { found }),
    }
}

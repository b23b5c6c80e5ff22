//! Retrieval: an index over the corpus, and the search in it.
//!
//! Not to be taken for [`crate::search`], which looks for plans.

mod build;
pub mod embed;
mod error;
mod fuse;
mod index;
mod lookup;
pub mod measure;
mod text;
mod tokens;
pub mod vectors;

#[cfg(test)]
mod tests;

pub use build::{Built, build};
pub use error::RetrievalError;
pub use index::{Note, TextIndex};
pub use lookup::{Lookup, LookupError, Meaning, Way};
pub use text::Hit;

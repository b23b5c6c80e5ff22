//! Retrieval: an index over the corpus, and the search in it.
//!
//! Not to be taken for [`crate::search`], which looks for plans.

mod build;
mod error;
mod index;
pub mod measure;
mod text;
mod tokens;

#[cfg(test)]
mod tests;

pub use build::{Built, build};
pub use error::RetrievalError;
pub use index::{Note, TextIndex};
pub use text::Hit;

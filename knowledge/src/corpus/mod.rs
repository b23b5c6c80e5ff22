//! The corpus: what can be looked up, as documents of one symbol, operator, section or repair each.
//!
//! Everything is read from installed packages and given folders, as text. Nothing is imported and nothing fetched.

mod markdown;
mod operators;
mod python;
mod repairs;
mod sources;

use portwright_core::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use repairs::Repair;
pub use sources::{Places, Source, sources};

use crate::tracing::TraceError;

/// One thing that can be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub kind: DocumentKind,
    /// The file below its package's folder, e.g. `transformers/models/bert/modeling_bert.py`.
    pub file: String,
    /// What the document is about, e.g. `BertModel.forward`, `Gather` or the title of a section.
    pub symbol: String,
    /// The first and last line in the file, counted from 1; both 0 for what stands in no file.
    pub line: u32,
    pub end_line: u32,
    pub text: String,
}

impl Document {
    /// Names the document among all: the file and the symbol.
    pub fn id(&self) -> String {
        format!("{}::{}", self.file, self.symbol)
    }

    /// The same for documents whose text is the same, such as a method that many models copy.
    pub fn body(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// A function, a method, or a class up to its first method.
    Code,
    /// A patch, fix or translation that the library's exporters register.
    Patch,
    /// An operator of a format, with its documentation.
    Operator,
    /// What a runtime's reader says it supports.
    Support,
    /// A section of the documentation.
    Page,
    /// A repair that was verified here.
    Repair,
}

impl DocumentKind {
    pub const ALL: [DocumentKind; 6] = [
        DocumentKind::Code,
        DocumentKind::Patch,
        DocumentKind::Operator,
        DocumentKind::Support,
        DocumentKind::Page,
        DocumentKind::Repair,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Code => "code",
            DocumentKind::Patch => "patch",
            DocumentKind::Operator => "operator",
            DocumentKind::Support => "support",
            DocumentKind::Page => "page",
            DocumentKind::Repair => "repair",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why the corpus could not be read.
#[derive(Debug, Error)]
pub enum CorpusError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl CorpusError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            CorpusError::Read { .. } => {
                "check that it is there and that you may read it; `portwright doctor` says where the environment is".into()
            }
            CorpusError::Trace(error) => error.hint().into(),
        }
    }
}

/// The digest of the code that makes documents of files: an index that other code made is made anew.
pub fn code_digest() -> Digest {
    Digest::of(
        [
            include_str!("mod.rs"),
            include_str!("markdown.rs"),
            include_str!("operators.rs"),
            include_str!("python.rs"),
            include_str!("repairs.rs"),
            include_str!("sources.rs"),
            include_str!("../tracing/symbols.rs"),
        ]
        .concat(),
    )
}

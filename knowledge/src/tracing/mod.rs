//! Code tracing: what the library's Python source says, read with tree-sitter and never imported.

mod chain;
mod demands;
mod documented;
mod excerpt;
mod facts;
mod filled;
mod index;
pub(crate) mod names;
mod parse;
mod symbols;

pub use chain::{Link, Role, chain};
pub use excerpt::{Excerpt, excerpt, frames};
pub use facts::{ClassFacts, Demand, FieldFacts, FileFacts, FunctionFacts, Import, ParameterFacts};
pub use index::{Located, Sources};
pub use parse::parse;
pub use symbols::{Symbol, symbols};

use std::path::PathBuf;

use thiserror::Error;

/// Why source could not be read.
#[derive(Debug, Error)]
pub enum TraceError {
    #[error("{file}:{line}: this is not valid Python")]
    Syntax { file: String, line: u32 },
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is no file of the library or of the model's own folder")]
    Outside { path: PathBuf },
    #[error("the Python grammar could not be loaded: {0}")]
    Grammar(String),
}

impl TraceError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            TraceError::Syntax { .. } => {
                "correct the file at the named line; `python -m py_compile FILE` says what it expects there"
            }
            TraceError::Read { .. } => {
                "the environment may be damaged: `portwright doctor` says where it is and how to build it anew"
            }
            TraceError::Outside { .. } => {
                "keep the modelling code in one folder, and copy into it what it imports from beside it"
            }
            TraceError::Grammar(_) => {
                "this is a defect in Portwright: please report it with the output of `portwright doctor`"
            }
        }
    }
}

//! Verified repairs to documents. Whoever holds the ledger hands them in: nothing here reads it.

use serde::{Deserialize, Serialize};

use super::{Document, DocumentKind};

/// A change of a plan that cured a finding, verified by a pass afterwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Repair {
    /// The model type on which it was verified.
    pub model_type: String,
    /// The normalised signature of the finding that it answers.
    pub answers: String,
    /// What was changed, as a person would say it.
    pub change: String,
    /// The rule's name, the search's axis, or the language model's name.
    pub name: String,
    /// Why it helps.
    pub reason: String,
}

impl Repair {
    /// The file under which all repairs are kept in an index.
    pub const FILE: &'static str = "ledger";

    pub fn document(&self) -> Document {
        Document {
            kind: DocumentKind::Repair,
            file: Self::FILE.to_owned(),
            symbol: format!("{}: {}", self.model_type, self.change),
            line: 0,
            end_line: 0,
            text: format!(
                "{}\nrepaired on {} by {}: {}\n{}",
                self.answers, self.model_type, self.name, self.change, self.reason
            ),
        }
    }
}

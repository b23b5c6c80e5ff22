//! A lesson: what one run taught about one repair.

use portwright_core::{Backend, Digest, Finding, RunId, Signature, Stage, plan::Source};
use serde::{Deserialize, Serialize};

use super::{Change, PREFIX};

/// What is repaired, and how: the part of a rule that makes two rules the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// The normalised signature of the finding.
    pub signature: Signature,
    /// All of them together are the repair.
    pub changes: Vec<Change>,
}

impl Repair {
    /// Whether it is for this finding.
    pub fn answers(&self, finding: &Finding) -> bool {
        self.stage == finding.stage
            && self.backend == finding.backend
            && self.signature == finding.signature
    }

    /// The rule's name: the same repair has the same name wherever it is found.
    pub fn name(&self) -> String {
        // Plain values always have a JSON form.
        let digest = Digest::of_json(self).unwrap_or_else(|_| Digest::of(&self.signature.0));
        format!("{PREFIX}{}", digest.short())
    }
}

/// What one run taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    pub repair: Repair,
    pub outcome: Outcome,
    pub run: RunId,
    pub model_type: String,
    /// The release of Transformers.
    pub library_version: String,
    /// Who proposed the repair in this run: the search, a language model, a person, or the learnt rule itself.
    pub source: Source,
    /// Why it was proposed, for people.
    pub reason: String,
}

/// What came of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The backend did not pass before, and passes on a fresh build.
    Cured,
    /// The backend did not pass with it either.
    DidNotHelp,
    /// It cured its backend, and another one passed no more; or the fresh build did not pass.
    Broke,
}

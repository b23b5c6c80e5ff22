//! Adaptations: typed changes inside a plan, each with the reason and source it came from.

use serde::{Deserialize, Serialize};

/// One typed change inside a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptation {
    pub kind: AdaptationKind,
    pub provenance: Provenance,
}

/// What is changed. Config overrides, input specs and export settings live in the plan's own tables and are listed
/// here for their provenance only ([`AdaptationKind::Setting`]); the others are applied by the generated module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AdaptationKind {
    /// A value of the plan itself, by its dotted key, e.g. `export.onnxruntime.optimize`.
    Setting { key: String },
    /// `model.set_experts_implementation(name)` before the export of a mixture of experts.
    ExpertsImplementation { name: String },
}

/// Where an adaptation came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub source: Source,
    /// The rule's name, the search's axis, or the model's name.
    pub name: String,
    /// The normalised signature of the finding it answers.
    pub answers: String,
    /// Why it should help, for people.
    pub reason: String,
}

/// Which rung of the fixer's ladder wrote an adaptation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Rule,
    Search,
    Model,
    Person,
}

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
    /// A value of the plan itself, by its dotted key, e.g. `export.onnx.optimize`.
    Setting { key: String },
    /// `model.set_experts_implementation(name)` before the export of a mixture of experts.
    ExpertsImplementation { name: String },
    /// An antialiased resize is written as the product of matrices that it is, while the model is exported.
    AntialiasAsProduct,
    /// One function that stands in for another of the modelling code while the model is exported, and never in the
    /// eager reference.
    TorchPatch(TorchPatch),
}

/// A replacement of one function or method of the modelling code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchPatch {
    /// What is replaced, by its dotted path, e.g.
    /// `transformers.models.bert.modeling_bert.BertSelfAttention.forward`.
    pub target: String,
    /// Python source of exactly one function with the parameters of what it replaces.
    pub source: String,
}

/// The parts of a patch's dotted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchTarget<'a> {
    /// e.g. `transformers.models.bert.modeling_bert`; for a local folder the file's stem.
    pub module: &'a str,
    /// The class that defines the method; `None` for a function of the module.
    pub class: Option<&'a str>,
    pub function: &'a str,
}

impl TorchPatch {
    /// The parts of the target; `None` where it names no function of a module. A class is told by its capital letter.
    pub fn parts(&self) -> Option<PatchTarget<'_>> {
        let (owner, function) = self.target.rsplit_once('.')?;
        let last = owner.rsplit_once('.');
        let is_class = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
        Some(match last {
            Some((module, class)) if is_class(class) => PatchTarget {
                module,
                class: Some(class),
                function,
            },
            _ => PatchTarget {
                module: owner,
                class: None,
                function,
            },
        })
    }
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

//! A sweep: one launch for each of many model types, and the coverage matrix that comes of it.

use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    catalogue::Kind,
    family::Family,
    ids::{ModelType, RunId},
    verdict::BackendVerdict,
};

/// The version of a row's JSON form.
pub const SCHEMA: u32 = 1;

/// One row of the coverage matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub schema: u32,
    /// What was asked for: a model type, or a name of the catalogue such as `FLAN-T5`.
    pub name: String,
    pub model_type: ModelType,
    pub kind: Kind,
    pub family: Family,
    /// How a row that no class of its own exercises, or not alone, was exercised; absent for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// The run that gave the verdicts; its events and evidence are in the ledger.
    pub run: RunId,
    /// The model class that was ported; absent where no plan was found.
    pub class: Option<String>,
    /// One verdict per backend of the sweep, in its order.
    pub verdicts: Vec<BackendVerdict>,
    /// Generation with a cache: prefill and decode, judged against one step without a cache. Empty for types that do
    /// not generate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generation: Vec<BackendVerdict>,
    /// Whether the verdicts were found in the ledger.
    pub reused: bool,
    /// Seconds on the clock.
    pub seconds: f64,
    /// CPU seconds of its jobs, by step.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub cpu_seconds: std::collections::BTreeMap<String, f64>,
    /// The largest resident memory of any of its jobs, in bytes.
    pub peak_resident_bytes: u64,
    /// Model types whose modules the reference called, those of nested configurations included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exercised: Vec<String>,
}

/// Other model types that exercise one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// The model type whose model holds the part.
    Parent(ModelType),
    /// The model types from which a model without a `forward` is put together: it passes where all of them do.
    Components(Vec<ModelType>),
}

impl std::fmt::Display for Through {
    /// The types, with spaces between them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.types().iter().map(ModelType::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

impl Through {
    pub fn types(&self) -> &[ModelType] {
        match self {
            Through::Parent(parent) => std::slice::from_ref(parent),
            Through::Components(components) => components,
        }
    }
}

impl Row {
    /// The verdict on a backend, if the sweep asked for it.
    pub fn verdict(&self, backend: Backend) -> Option<&BackendVerdict> {
        self.verdicts.iter().find(|v| v.backend == backend)
    }
}

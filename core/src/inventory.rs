//! What the job `catalogue` answers: every model type of a release as introspection sees it, before anything is
//! concluded from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{digest::Digest, ids::ModelType, job::IntrospectedModel};

/// Every model type of the installed library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    pub library_version: String,
    pub types: Vec<InventoryEntry>,
}

/// One model type. Whatever a failed import keeps from being read is left out, and named in `problems`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InventoryEntry {
    pub model_type: ModelType,
    pub config_class: String,
    /// The package of its modules, e.g. `transformers.models.bert`.
    pub package: String,
    /// Class names by the auto class that maps to them, whether or not they import.
    pub auto_classes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub deprecated: bool,
    /// The default configuration's fields.
    #[serde(default)]
    pub defaults: Map<String, Value>,
    /// The model classes that import, those without an auto class last.
    #[serde(default)]
    pub classes: Vec<IntrospectedModel>,
    /// Model types that its configuration nests.
    #[serde(default)]
    pub nested: Vec<ModelType>,
    /// Whether one of its classes generates.
    #[serde(default)]
    pub generative: bool,
    /// The digest of each file in which one of its classes is defined, by its path below the library.
    #[serde(default)]
    pub sources: BTreeMap<String, Digest>,
    #[serde(default)]
    pub problems: Vec<String>,
}

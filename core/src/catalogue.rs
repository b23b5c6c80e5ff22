//! The catalogue: every model type of a release of Transformers, as the installed library itself shows it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{digest::Digest, family::Family, ids::ModelType};

/// The version of the catalogue's JSON form.
pub const SCHEMA: u32 = 1;

/// Every model type of one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    pub schema: u32,
    /// The release of Transformers, e.g. `5.20.2`.
    pub library_version: String,
    /// In the order of their names.
    pub types: Vec<CatalogueEntry>,
}

/// One model type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    pub model_type: ModelType,
    pub kind: Kind,
    pub family: Family,
    /// The configuration class, e.g. `BertConfig`.
    pub config_class: String,
    /// Class names by the auto class that leads to them, e.g. `AutoModelForCausalLM` to `LlamaForCausalLM`.
    pub auto_classes: BTreeMap<String, Vec<String>>,
    /// Model classes of the type's own that no auto class leads to, e.g. `CLIPTextModel`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_classes: Vec<String>,
    /// What its inputs carry, e.g. `text`, `image`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<String>,
    /// Model types whose configuration nests this one at any depth, those with an auto class first, then the nearest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ModelType>,
    /// Whether the library keeps it among its deprecated models.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Whether a class of the type generates text (a subclass of `GenerationMixin` that can).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generative: bool,
    /// The digest of what a port depends on (defaults of the configuration, classes, signatures of every `forward`,
    /// source of the modelling files), so that two releases can be compared.
    pub interface: Digest,
    /// What could not be read of it, each in one line: an import that fails, a configuration without defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How a type is exercised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `AutoModel` leads to a class of it.
    Base,
    /// Another auto class does.
    Task,
    /// No auto class does: a nested configuration of other types.
    Part,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Base, Kind::Task, Kind::Part];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Base => "base",
            Kind::Task => "task",
            Kind::Part => "part",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is no catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    #[error("it is no JSON document: {0}")]
    Json(#[source] serde_json::Error),
    #[error("it has no number `schema`")]
    NoSchema,
    #[error("it is of version {found}; this program reads version {SCHEMA}")]
    Schema { found: u64 },
    #[error("it is no catalogue: {0}")]
    Form(#[source] serde_json::Error),
}

impl CatalogueError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            CatalogueError::Schema { .. } => {
                "export the catalogue again with the program that shall read it"
            }
            _ => "give a file that `portwright catalogue export` wrote",
        }
    }
}

impl Catalogue {
    /// Reads an exported catalogue.
    pub fn from_json(text: &str) -> Result<Self, CatalogueError> {
        let document: Value = serde_json::from_str(text).map_err(CatalogueError::Json)?;
        let schema = document.get("schema").and_then(Value::as_u64);
        match schema.ok_or(CatalogueError::NoSchema)? {
            found if found != u64::from(SCHEMA) => Err(CatalogueError::Schema { found }),
            _ => serde_json::from_value(document).map_err(CatalogueError::Form),
        }
    }

    /// The names of all types.
    pub fn names(&self) -> Vec<&str> {
        let types = self.types.iter();
        types.map(|entry| entry.model_type.as_str()).collect()
    }

    pub fn get(&self, model_type: &str) -> Option<&CatalogueEntry> {
        self.types
            .iter()
            .find(|entry| entry.model_type.as_str() == model_type)
    }
}

/// The name of no kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no kind of model type; the kinds are base, task, part")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("parts".parse::<Kind>().is_err());
    }

    const EMPTY: &str = r#"{"schema": 1, "library_version": "9.0.0", "types": []}"#;

    #[test]
    fn an_exported_catalogue_is_read_back() {
        let catalogue = Catalogue::from_json(EMPTY).unwrap();
        let text = serde_json::to_string(&catalogue).unwrap();
        assert_eq!(Catalogue::from_json(&text).unwrap(), catalogue);
    }

    #[test]
    fn what_is_no_catalogue_is_refused_with_the_reason() {
        for (text, words) in [
            ("[", "no JSON document"),
            ("[]", "no number `schema`"),
            (r#"{"schema": 9}"#, "version 9"),
            (r#"{"schema": 1}"#, "library_version"),
            (&EMPTY.replace("types", "models"), "models"),
        ] {
            let error = Catalogue::from_json(text).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

//! The names that people use, read from the embedded `seeds.toml`.

use portwright_core::Family;
use serde::Deserialize;
use serde_json::{Map, Value};

const SEEDS: &str = include_str!("seeds.toml");

/// How a name leads to a model type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The name is the type's own.
    #[default]
    Type,
    Alias,
    Variant,
    OutOfTree,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    pub name: String,
    /// The phase of the seed plan that asks for it.
    pub phase: u8,
    pub family: Family,
    #[serde(default, rename = "type")]
    pub model_type: Option<String>,
    /// Further types that the name covers.
    #[serde(default)]
    pub also: Vec<String>,
    #[serde(default)]
    pub via: Via,
    /// The folder that holds a model which the library does not.
    #[serde(default)]
    pub folder: Option<String>,
    /// Why the variant's configuration is what it is, or what the modelling folder has to hold.
    #[serde(default)]
    pub reason: Option<String>,
    /// The variant's configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Vec<Seed>,
}

/// Every name of the catalogue, in its order.
pub fn seeds() -> Result<Vec<Seed>, toml::de::Error> {
    Ok(toml::from_str::<File>(SEEDS)?.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_a_type_or_says_what_folder_it_needs() {
        let seeds = seeds().unwrap();
        assert_eq!(seeds.iter().filter(|s| s.phase < 3).count(), 24);
        for seed in &seeds {
            match seed.via {
                Via::OutOfTree => assert!(seed.folder.is_some() && seed.reason.is_some()),
                Via::Variant => assert!(!seed.config.is_empty() && seed.reason.is_some()),
                Via::Type | Via::Alias => assert!(seed.config.is_empty(), "{}", seed.name),
            }
            assert_ne!(
                seed.model_type.is_some(),
                seed.folder.is_some(),
                "{}",
                seed.name
            );
        }
    }
}

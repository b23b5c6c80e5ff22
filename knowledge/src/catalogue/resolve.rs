//! From the name that a person types to a model type.

use portwright_core::ModelType;
use serde_json::{Map, Value};
use thiserror::Error;

use super::seeds::{Via, seeds};

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const ALIKE: f64 = 0.72;
const SUGGESTIONS: usize = 3;

/// What a name means.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub model_type: ModelType,
    /// The catalogue's name, where it was one that led here.
    pub name: Option<String>,
    /// Further types that the name covers.
    pub also: Vec<ModelType>,
    /// Configuration that makes the variant.
    pub variant: Map<String, Value>,
    /// Why the variant differs.
    pub reason: Option<String>,
}

/// Why a name leads nowhere.
#[derive(Debug, Error)]
pub enum ResolveError {
    #[error("the name of the model is empty")]
    Empty,
    #[error("`{name}` is no model type and no name in the catalogue{}", did_you_mean(.suggestions))]
    Unknown {
        name: String,
        suggestions: Vec<String>,
    },
    #[error("the library has no implementation of {name} ({reason})")]
    OutOfTree {
        name: String,
        reason: String,
        /// The folder below `evals/models` that holds it.
        folder: String,
    },
    #[error(
        "{name} is the model type `{model_type}`, which this release of the library does not have"
    )]
    Absent { name: String, model_type: String },
    #[error("the embedded catalogue does not parse: {0}")]
    Catalogue(#[from] toml::de::Error),
}

impl ResolveError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            ResolveError::Empty => "give a model type, e.g. `portwright run bert`",
            ResolveError::Unknown { .. } => {
                "give a model type of the installed library, a name of the catalogue, or the path of a folder with modelling code"
            }
            ResolveError::OutOfTree { .. } => {
                "pass the path of a folder that holds `config.json` with `auto_map` and the modelling code; a clone of Portwright has one below `evals/models`"
            }
            ResolveError::Absent { .. } => {
                "choose another release with `--transformers X.Y.Z`, or another model"
            }
            ResolveError::Catalogue(_) => {
                "this is a defect in Portwright: please report it with `portwright --version`"
            }
        }
    }
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", suggestions.join(", "))
    }
}

/// Resolves a model type or a name of the catalogue; case and punctuation do not matter.
pub fn resolve<S: AsRef<str>>(name: &str, known_types: &[S]) -> Result<Resolved, ResolveError> {
    let plain_name = plain(name);
    if plain_name.is_empty() {
        return Err(ResolveError::Empty);
    }
    let types = || known_types.iter().map(AsRef::as_ref);
    let exact = types()
        .find(|known| *known == name.trim())
        .or_else(|| types().find(|known| plain(known) == plain_name));
    let seeds = seeds()?;
    let seed = seeds.iter().find(|seed| plain(&seed.name) == plain_name);
    // A model type of the library is stronger than a catalogue name that reads the same.
    if let Some(known) = exact {
        return Ok(Resolved {
            model_type: ModelType::new(known),
            name: seed.map(|seed| seed.name.clone()),
            also: Vec::new(),
            variant: Map::new(),
            reason: None,
        });
    }
    if let Some(seed) = seed {
        let Some(model_type) = seed
            .model_type
            .as_ref()
            .filter(|_| seed.via != Via::OutOfTree)
        else {
            return Err(ResolveError::OutOfTree {
                name: seed.name.clone(),
                reason: seed.reason.clone().unwrap_or_default(),
                folder: seed.folder.clone().unwrap_or_default(),
            });
        };
        if !types().any(|known| known == model_type) {
            return Err(ResolveError::Absent {
                name: seed.name.clone(),
                model_type: model_type.clone(),
            });
        }
        return Ok(Resolved {
            model_type: ModelType::new(model_type.as_str()),
            name: Some(seed.name.clone()),
            also: seed
                .also
                .iter()
                .map(|also| ModelType::new(also.as_str()))
                .collect(),
            variant: seed.config.clone(),
            reason: seed.reason.clone(),
        });
    }
    let names = seeds.iter().map(|seed| seed.name.as_str());
    Err(ResolveError::Unknown {
        name: name.trim().to_owned(),
        suggestions: alike(&plain_name, types().chain(names)),
    })
}

/// The name in lower case without anything but letters and digits.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The most alike names, best first.
fn alike<'a>(plain_name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = Vec::new();
    for name in names {
        let other = plain(name);
        let score = strsim::jaro_winkler(plain_name, &other)
            .max(strsim::normalized_damerau_levenshtein(plain_name, &other));
        let seen = scored.iter().any(|(_, known)| plain(known) == other);
        if score >= ALIKE && !seen {
            scored.push((score, name));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.len().cmp(&b.1.len())));
    scored
        .into_iter()
        .take(SUGGESTIONS)
        .map(|(_, name)| format!("`{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [&str; 6] = ["bert", "gpt2", "llama", "t5", "xlm-roberta", "roberta"];

    #[test]
    fn case_and_punctuation_do_not_matter() {
        for (name, expected) in [
            ("bert", "bert"),
            ("GPT-2", "gpt2"),
            ("XLM_RoBERTa", "xlm-roberta"),
            (" LLaMA ", "llama"),
        ] {
            let found = resolve(name, &TYPES).unwrap();
            assert_eq!(found.model_type.as_str(), expected, "{name}");
        }
    }

    #[test]
    fn a_variant_brings_its_configuration_and_reason() {
        let found = resolve("FLAN-T5", &TYPES).unwrap();
        assert_eq!(found.model_type.as_str(), "t5");
        assert!(found.variant.contains_key("feed_forward_proj"));
        assert!(found.reason.is_some());
    }

    #[test]
    fn a_typing_error_gets_a_suggestion() {
        let error = resolve("brt", &TYPES).unwrap_err();
        assert!(error.to_string().contains("did you mean `bert`"), "{error}");
        let error = resolve("zzzzzzzz", &TYPES).unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert!(matches!(resolve(" - ", &TYPES), Err(ResolveError::Empty)));
    }

    #[test]
    fn a_name_outside_the_library_asks_for_its_folder() {
        let error = resolve("PaLM", &TYPES).unwrap_err();
        assert!(matches!(error, ResolveError::OutOfTree { .. }));
        assert!(error.hint().contains("folder"));
    }

    #[test]
    fn a_type_that_the_release_lacks_is_said_so() {
        let error = resolve("BLOOM", &TYPES).unwrap_err();
        assert!(matches!(error, ResolveError::Absent { .. }), "{error}");
    }
}

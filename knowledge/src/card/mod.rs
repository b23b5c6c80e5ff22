//! The interface card: introspection joined with the lines of source on which each fact stands.

mod classes;
mod demands;
mod fields;
mod switches;
mod vocabularies;

use portwright_core::{
    card::{ClassFact, InterfaceCard, SCHEMA, SourceSpan},
    job::Introspection,
};
use thiserror::Error;

use crate::{
    catalogue,
    tracing::{Sources, TraceError},
};

/// Why no card could be assembled.
#[derive(Debug, Error)]
pub enum CardError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("`{model_type}` has no model class with a `forward`")]
    NoClass { model_type: String },
}

impl CardError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            CardError::Trace(error) => error.hint(),
            CardError::NoClass { .. } => {
                "the type is a configuration or a component only; choose a type that has a model class"
            }
        }
    }
}

/// Joins what introspection saw with what the source says.
pub fn assemble(seen: &Introspection, sources: &Sources) -> Result<InterfaceCard, CardError> {
    if seen.classes.is_empty() {
        return Err(CardError::NoClass {
            model_type: seen.model_type.to_string(),
        });
    }
    let config_file = &sources.locate(&seen.config_class.file);
    let lineage = sources.lineage(config_file, &seen.config_class.name)?;
    let config_line = lineage.first().map_or(1, |found| found.class().line);
    let sub_configs = fields::sub_configs(seen, sources)?;
    let classes = classes::classes(&seen.classes, sources)?;
    let mut modalities: Vec<String> = Vec::new();
    for name in seen.classes.iter().flat_map(|class| &class.modalities) {
        if !modalities.contains(name) {
            modalities.push(name.clone());
        }
    }
    Ok(InterfaceCard {
        schema: SCHEMA,
        model_type: seen.model_type.clone(),
        whole: seen.whole.clone(),
        library_version: seen.library_version.clone(),
        family: catalogue::family(&seen.classes, &seen.defaults),
        config_class: ClassFact {
            name: seen.config_class.name.clone(),
            module: seen.config_class.module.clone(),
            source: SourceSpan {
                file: sources.shown(config_file),
                line: config_line,
            },
        },
        config_fields: fields::fields(&seen.defaults, &lineage, &seen.attribute_map, sources),
        attribute_map: seen.attribute_map.clone(),
        demands: demands::demands(&sub_configs, &lineage, sources)?,
        export_switches: switches::switches(&seen.classes, sources)?,
        vocabularies: vocabularies::vocabularies(&seen.classes, sources)?,
        sub_configs,
        classes,
        modalities,
        processed: seen.processed.clone(),
    })
}

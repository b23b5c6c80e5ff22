//! What a sweep works on: which names the options choose, and in which order.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
};

use portwright_core::{
    Catalogue, CatalogueEntry, Digest, Family, Kind, ModelType, job::ModelSource,
};
use portwright_knowledge::catalogue::{self, CatalogueDiff, SeedRow, SeedTarget};
use serde_json::{Map, Value};

use crate::{error::CliError, target};
use portwright_agents::driver::Target;

/// One name with what is ported for it.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub name: String,
    pub entry: CatalogueEntry,
    pub target: Target,
    /// Configuration that makes the variant.
    pub variant: Map<String, Value>,
}

/// What the options ask for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub names: Vec<String>,
    pub families: Vec<Family>,
    pub kinds: Vec<Kind>,
    pub sample: Option<usize>,
}

/// Everything that can be swept, a row for each model type and for each name that people use. Names whose folder is not
/// here, or whose type the release does not have, are told by `left_out`. Folders are copied below `models`.
pub fn all(
    catalogue: &Catalogue,
    models: &Path,
    left_out: &mut dyn FnMut(String),
) -> Result<Vec<Chosen>, CliError> {
    let mut found: Vec<Chosen> = catalogue.types.iter().map(of_type).collect();
    for row in catalogue::rows(catalogue).map_err(CliError::internal)? {
        // A name that is spelled as its type has the type's row.
        if found.iter().any(|known| known.name == row.name) {
            continue;
        }
        match &row.target {
            SeedTarget::Type(model_type) => {
                if let Some(entry) = catalogue.get(model_type.as_str()) {
                    found.push(named(&row, entry));
                }
            }
            SeedTarget::Absent(model_type) => left_out(format!(
                "{}: the release has no model type `{model_type}`",
                row.name
            )),
            SeedTarget::Folder(folder) => match target::outside(folder) {
                Some(path) => found.push(outside(&row, &path, models)?),
                None => left_out(format!(
                    "{}: there is no folder evals/models/{folder} here or above",
                    row.name
                )),
            },
        }
    }
    Ok(found)
}

fn of_type(entry: &CatalogueEntry) -> Chosen {
    Chosen {
        name: entry.model_type.to_string(),
        entry: entry.clone(),
        target: library(entry.model_type.as_str(), &entry.model_type),
        variant: Map::new(),
    }
}

fn named(row: &SeedRow, entry: &CatalogueEntry) -> Chosen {
    Chosen {
        name: row.name.clone(),
        entry: entry.clone(),
        target: library(&row.name, &entry.model_type),
        variant: row.variant.clone(),
    }
}

/// A model of a folder is no type of the release, and has a class under `AutoModel` by its `auto_map`.
fn outside(row: &SeedRow, path: &Path, models: &Path) -> Result<Chosen, CliError> {
    let target = target::folder(&row.name, path, models)?.target;
    Ok(Chosen {
        name: row.name.clone(),
        entry: CatalogueEntry {
            model_type: target.model_type.clone(),
            kind: Kind::Base,
            family: row.family,
            config_class: String::new(),
            auto_classes: BTreeMap::new(),
            own_classes: Vec::new(),
            modalities: Vec::new(),
            parents: Vec::new(),
            deprecated: false,
            generative: false,
            interface: target
                .source_digest
                .clone()
                .unwrap_or_else(|| Digest::of(&row.name)),
            problems: Vec::new(),
        },
        target,
        variant: Map::new(),
    })
}

fn library(name: &str, model_type: &ModelType) -> Target {
    Target {
        name: name.to_owned(),
        model_type: model_type.clone(),
        source: ModelSource::Library,
        source_digest: None,
        modelling: None,
    }
}

/// The chosen ones, in an order that mixes families and sizes: what has been done at any time is then a fair sample of
/// what is left, and the time left can be told honestly.
pub fn choose(
    all: Vec<Chosen>,
    wishes: &Wishes,
    changed: Option<&CatalogueDiff>,
) -> Result<Vec<Chosen>, CliError> {
    for name in &wishes.names {
        if !all.iter().any(|known| known.name == *name) {
            return Err(CliError::usage(
                format!("nothing to sweep is called `{name}`"),
                "`portwright catalogue list` lists the model types",
            ));
        }
    }
    let of = |wished: bool, fits: bool| !wished || fits;
    let mut chosen: Vec<Chosen> = all
        .into_iter()
        .filter(|it| of(!wishes.names.is_empty(), wishes.names.contains(&it.name)))
        .filter(|it| {
            of(
                !wishes.families.is_empty(),
                wishes.families.contains(&it.entry.family),
            )
        })
        .filter(|it| {
            of(
                !wishes.kinds.is_empty(),
                wishes.kinds.contains(&it.entry.kind),
            )
        })
        .filter(|it| changed.is_none_or(|diff| is_changed(&it.entry.model_type, diff)))
        .collect();
    chosen.sort_by_key(|it| Digest::of(&it.name).as_str().to_owned());
    if let Some(count) = wishes.sample {
        chosen = sample(chosen, count);
    }
    Ok(chosen)
}

fn is_changed(model_type: &ModelType, diff: &CatalogueDiff) -> bool {
    diff.added.contains(model_type)
        || diff
            .changed
            .iter()
            .any(|changed| changed.model_type == *model_type)
}

/// `count` of them, the families taken in turn.
fn sample(chosen: Vec<Chosen>, count: usize) -> Vec<Chosen> {
    let mut families: BTreeMap<Family, VecDeque<Chosen>> = BTreeMap::new();
    for it in chosen {
        families.entry(it.entry.family).or_default().push_back(it);
    }
    let mut taken = Vec::new();
    while taken.len() < count && families.values().any(|left| !left.is_empty()) {
        for left in families.values_mut() {
            if taken.len() < count {
                taken.extend(left.pop_front());
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use portwright_core::catalogue::SCHEMA;
    use portwright_knowledge::catalogue::diff;

    use super::*;

    fn entry(name: &str, family: Family, kind: Kind) -> CatalogueEntry {
        CatalogueEntry {
            model_type: ModelType::new(name),
            kind,
            family,
            config_class: "Config".into(),
            auto_classes: BTreeMap::new(),
            own_classes: Vec::new(),
            modalities: Vec::new(),
            parents: Vec::new(),
            deprecated: false,
            generative: false,
            interface: Digest::of(name),
            problems: Vec::new(),
        }
    }

    fn catalogue() -> Catalogue {
        let mut types: Vec<CatalogueEntry> = (0..6)
            .map(|i| entry(&format!("text{i}"), Family::EncoderOnly, Kind::Base))
            .collect();
        types.push(entry("t5", Family::EncoderDecoder, Kind::Base));
        types.push(entry("eye", Family::Vision, Kind::Base));
        types.push(entry("eye_part", Family::Component, Kind::Part));
        Catalogue {
            schema: SCHEMA,
            library_version: "1.0.0".into(),
            types,
        }
    }

    fn everything(catalogue: &Catalogue) -> Vec<Chosen> {
        let models = tempfile::tempdir().unwrap();
        all(catalogue, models.path(), &mut |_| {}).unwrap()
    }

    fn chosen(wishes: &Wishes) -> Vec<String> {
        let all = everything(&catalogue());
        let chosen = choose(all, wishes, None).unwrap();
        chosen.into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_name_that_is_a_variant_of_a_type_has_a_row_of_its_own() {
        let names = chosen(&Wishes::default());
        assert!(names.contains(&"t5".to_owned()) && names.contains(&"FLAN-T5".to_owned()));
        let all = everything(&catalogue());
        let variant = all.iter().find(|it| it.name == "FLAN-T5").unwrap();
        assert!(!variant.variant.is_empty());
        assert_eq!(variant.target.model_type.as_str(), "t5");
    }

    #[test]
    fn what_the_release_lacks_is_told_and_left_out() {
        let mut told = Vec::new();
        let models = tempfile::tempdir().unwrap();
        all(&catalogue(), models.path(), &mut |line| told.push(line)).unwrap();
        assert!(
            told.iter().any(|line| line.starts_with("BERT:")),
            "{told:?}"
        );
    }

    #[test]
    fn a_sample_takes_the_families_in_turn() {
        let sample = |count| {
            chosen(&Wishes {
                kinds: vec![Kind::Base, Kind::Part],
                sample: Some(count),
                ..Wishes::default()
            })
        };
        let five = sample(5);
        for name in ["eye", "eye_part"] {
            assert!(five.contains(&name.to_owned()), "{five:?}");
        }
        assert_eq!(sample(5), five, "the same ones each time");
        assert!(sample(100).len() > 9);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let all = everything(&catalogue());
        let wishes = Wishes {
            names: vec!["nothing".into()],
            ..Wishes::default()
        };
        let error = choose(all, &wishes, None).unwrap_err();
        assert!(error.message.contains("nothing"));
    }

    #[test]
    fn only_what_changed_is_chosen_where_that_is_asked() {
        let old = catalogue();
        let mut new = catalogue();
        new.types.push(entry("new", Family::Vision, Kind::Base));
        new.types[0].interface = Digest::of("changed");
        let diff = diff(&old, &new);
        let all = everything(&new);
        let chosen = choose(all, &Wishes::default(), Some(&diff)).unwrap();
        let mut names: Vec<String> = chosen.into_iter().map(|it| it.name).collect();
        names.sort();
        assert_eq!(names, ["new", "text0"]);
    }
}

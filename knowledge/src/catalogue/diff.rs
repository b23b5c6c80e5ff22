//! What changed between two catalogues, so that a new release is ported where it has to be.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{Catalogue, CatalogueEntry, Family, Kind, ModelType};
use serde::Serialize;

/// The version of the difference's JSON form.
pub const SCHEMA: u32 = 1;

/// The difference between two catalogues. All lists are in the order of the types' names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CatalogueDiff {
    pub schema: u32,
    /// The releases that were compared.
    pub old: String,
    pub new: String,
    /// Types that only the new catalogue has.
    pub added: Vec<ModelType>,
    /// Types that only the old catalogue has.
    pub gone: Vec<ModelType>,
    pub changed: Vec<ChangedType>,
}

impl CatalogueDiff {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }
}

/// A type that both have, and in what it differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedType {
    pub model_type: ModelType,
    pub changes: Vec<Change>,
}

/// One way in which a type differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    Kind {
        old: Kind,
        new: Kind,
    },
    Family {
        old: Family,
        new: Family,
    },
    ConfigClass {
        old: String,
        new: String,
    },
    AutoClasses {
        added: Vec<Mapped>,
        gone: Vec<Mapped>,
    },
    OwnClasses {
        added: Vec<String>,
        gone: Vec<String>,
    },
    /// Defaults of the configuration, a signature or a file of source: the digest of the interface differs.
    Source,
}

/// An auto class and one class that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mapped {
    pub auto_class: String,
    pub class: String,
}

/// Compares two catalogues.
pub fn diff(old: &Catalogue, new: &Catalogue) -> CatalogueDiff {
    let (before, after) = (by_name(old), by_name(new));
    let only = |these: &BTreeMap<&ModelType, _>, others: &BTreeMap<&ModelType, _>| {
        let names = these.keys().filter(|name| !others.contains_key(*name));
        names.map(|name| (*name).clone()).collect()
    };
    let changed = before.iter().filter_map(|(name, old)| {
        let changes = changes(old, after.get(name)?);
        (!changes.is_empty()).then(|| ChangedType {
            model_type: (*name).clone(),
            changes,
        })
    });
    CatalogueDiff {
        schema: SCHEMA,
        old: old.library_version.clone(),
        new: new.library_version.clone(),
        added: only(&after, &before),
        gone: only(&before, &after),
        changed: changed.collect(),
    }
}

fn by_name(catalogue: &Catalogue) -> BTreeMap<&ModelType, &CatalogueEntry> {
    let types = catalogue.types.iter();
    types.map(|entry| (&entry.model_type, entry)).collect()
}

fn changes(old: &CatalogueEntry, new: &CatalogueEntry) -> Vec<Change> {
    let mut found = Vec::new();
    if old.kind != new.kind {
        found.push(Change::Kind {
            old: old.kind,
            new: new.kind,
        });
    }
    if old.family != new.family {
        found.push(Change::Family {
            old: old.family,
            new: new.family,
        });
    }
    if old.config_class != new.config_class {
        found.push(Change::ConfigClass {
            old: old.config_class.clone(),
            new: new.config_class.clone(),
        });
    }
    let (added, gone) = sides(mapped(old), mapped(new));
    if !added.is_empty() || !gone.is_empty() {
        found.push(Change::AutoClasses { added, gone });
    }
    let own = |entry: &CatalogueEntry| entry.own_classes.iter().cloned().collect();
    let (added, gone) = sides(own(old), own(new));
    if !added.is_empty() || !gone.is_empty() {
        found.push(Change::OwnClasses { added, gone });
    }
    if old.interface != new.interface {
        found.push(Change::Source);
    }
    found
}

fn mapped(entry: &CatalogueEntry) -> BTreeSet<Mapped> {
    let mut found = BTreeSet::new();
    for (auto_class, classes) in &entry.auto_classes {
        found.extend(classes.iter().map(|class| Mapped {
            auto_class: auto_class.clone(),
            class: class.clone(),
        }));
    }
    found
}

/// What only the second has, and what only the first has.
fn sides<T: Ord + Clone>(old: BTreeSet<T>, new: BTreeSet<T>) -> (Vec<T>, Vec<T>) {
    (
        new.difference(&old).cloned().collect(),
        old.difference(&new).cloned().collect(),
    )
}

#[cfg(test)]
mod tests {
    use portwright_core::{Digest, catalogue};

    use super::*;

    fn entry(name: &str) -> CatalogueEntry {
        CatalogueEntry {
            model_type: ModelType::new(name),
            kind: Kind::Base,
            family: Family::Vision,
            config_class: "AConfig".into(),
            auto_classes: BTreeMap::from([("AutoModel".into(), vec!["AModel".into()])]),
            own_classes: vec!["AHead".into()],
            modalities: vec!["image".into()],
            parents: vec![],
            deprecated: false,
            generative: false,
            interface: Digest::of("a"),
            problems: vec![],
        }
    }

    fn catalogue(version: &str, types: Vec<CatalogueEntry>) -> Catalogue {
        Catalogue {
            schema: catalogue::SCHEMA,
            library_version: version.into(),
            types,
        }
    }

    fn of(change: impl FnOnce(&mut CatalogueEntry)) -> Vec<Change> {
        let mut new = entry("a");
        change(&mut new);
        let old = catalogue("1", vec![entry("a")]);
        let mut found = diff(&old, &catalogue("2", vec![new])).changed;
        found.pop().map_or_else(Vec::new, |changed| changed.changes)
    }

    #[test]
    fn types_come_and_go() {
        let old = catalogue("1", vec![entry("b"), entry("a")]);
        let new = catalogue("2", vec![entry("c"), entry("b")]);
        let found = diff(&old, &new);
        assert_eq!((found.old.as_str(), found.new.as_str()), ("1", "2"));
        assert_eq!(found.added, [ModelType::new("c")]);
        assert_eq!(found.gone, [ModelType::new("a")]);
        assert!(found.changed.is_empty());
    }

    #[test]
    fn a_catalogue_does_not_differ_from_itself() {
        let one = catalogue("1", vec![entry("a")]);
        assert!(diff(&one, &one).is_empty());
        let other = catalogue("1", vec![]);
        assert!(!diff(&one, &other).is_empty() && !diff(&other, &one).is_empty());
    }

    #[test]
    fn each_difference_is_named() {
        assert_eq!(
            of(|e| e.kind = Kind::Task),
            [Change::Kind {
                old: Kind::Base,
                new: Kind::Task
            }]
        );
        assert_eq!(
            of(|e| e.family = Family::Speech),
            [Change::Family {
                old: Family::Vision,
                new: Family::Speech
            }]
        );
        assert_eq!(
            of(|e| e.config_class = "BConfig".into()),
            [Change::ConfigClass {
                old: "AConfig".into(),
                new: "BConfig".into()
            }]
        );
        assert_eq!(
            of(|e| e.own_classes = vec!["BHead".into()]),
            [Change::OwnClasses {
                added: vec!["BHead".into()],
                gone: vec!["AHead".into()]
            }]
        );
        assert_eq!(of(|e| e.interface = Digest::of("b")), [Change::Source]);
    }

    #[test]
    fn another_class_under_the_same_auto_class_is_a_difference() {
        let mapped = |class: &str| Mapped {
            auto_class: "AutoModel".into(),
            class: class.into(),
        };
        assert_eq!(
            of(|e| {
                e.auto_classes
                    .insert("AutoModel".into(), vec!["BModel".into()]);
            }),
            [Change::AutoClasses {
                added: vec![mapped("BModel")],
                gone: vec![mapped("AModel")]
            }]
        );
    }

    #[test]
    fn what_only_describes_the_release_is_no_difference() {
        let found = of(|e| {
            e.parents = vec![ModelType::new("b")];
            e.problems = vec!["an import".into()];
        });
        assert!(found.is_empty());
    }
}

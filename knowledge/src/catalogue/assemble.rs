//! From what introspection saw of every type to the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{
    Catalogue, CatalogueEntry, Digest, Inventory, Kind, ModelType, catalogue::SCHEMA,
    inventory::InventoryEntry,
};
use serde_json::{Map, Value};
use thiserror::Error;

use super::family::{family, modalities};

/// The most characters of a problem that are kept: some list every type that the library has.
const PROBLEM_CHARS: usize = 200;

/// Why no catalogue could be made.
#[derive(Debug, Error)]
pub enum AssembleError {
    #[error("the installed library lists no model types")]
    Empty,
    #[error("the interface of `{model_type}` cannot be written as JSON: {source}")]
    Interface {
        model_type: ModelType,
        source: serde_json::Error,
    },
}

/// Concludes what each type is: its kind, its family, what it takes, who nests it.
pub fn assemble(seen: &Inventory) -> Result<Catalogue, AssembleError> {
    if seen.types.is_empty() {
        return Err(AssembleError::Empty);
    }
    let mut parents = parents(&seen.types);
    let mut types = Vec::new();
    for entry in &seen.types {
        types.push(CatalogueEntry {
            model_type: entry.model_type.clone(),
            kind: kind(entry),
            family: family(&entry.classes, &entry.defaults),
            config_class: entry.config_class.clone(),
            auto_classes: entry.auto_classes.clone(),
            own_classes: own_classes(entry),
            modalities: modalities(&entry.classes),
            parents: parents.remove(&entry.model_type).unwrap_or_default(),
            deprecated: entry.deprecated,
            generative: entry.generative,
            interface: interface(entry)?,
            problems: entry.problems.iter().map(|text| line(text)).collect(),
        });
    }
    types.sort_by(|a, b| a.model_type.cmp(&b.model_type));
    Ok(Catalogue {
        schema: SCHEMA,
        library_version: seen.library_version.clone(),
        types,
    })
}

fn kind(entry: &InventoryEntry) -> Kind {
    if entry.auto_classes.contains_key("AutoModel") {
        Kind::Base
    } else if entry.auto_classes.is_empty() {
        Kind::Part
    } else {
        Kind::Task
    }
}

fn own_classes(entry: &InventoryEntry) -> Vec<String> {
    entry
        .classes
        .iter()
        .filter(|class| class.auto_classes.is_empty())
        .map(|class| class.name.clone())
        .collect()
}

/// Each type with those whose configurations nest it: first those that an auto class leads to, then the nearest, then
/// those of its own package.
fn parents(types: &[InventoryEntry]) -> BTreeMap<ModelType, Vec<ModelType>> {
    let by_name: BTreeMap<&ModelType, &InventoryEntry> = types
        .iter()
        .map(|entry| (&entry.model_type, entry))
        .collect();
    let mut direct: BTreeMap<&ModelType, Vec<&InventoryEntry>> = BTreeMap::new();
    for entry in types {
        for nested in &entry.nested {
            direct.entry(nested).or_default().push(entry);
        }
    }
    let mut all = BTreeMap::new();
    for nested in direct.keys() {
        let package = by_name.get(*nested).map(|entry| entry.package.as_str());
        let mut seen = BTreeSet::from([*nested]);
        let mut found = Vec::new();
        let mut level = vec![*nested];
        while !level.is_empty() {
            let above = level.iter().filter_map(|name| direct.get(*name)).flatten();
            let above: Vec<&InventoryEntry> = above
                .copied()
                .filter(|entry| seen.insert(&entry.model_type))
                .collect();
            let distance = seen.len();
            level = above.iter().map(|entry| &entry.model_type).collect();
            found.extend(above.into_iter().map(|entry| (distance, entry)));
        }
        found.sort_by_key(|(distance, entry)| {
            let part = kind(entry) == Kind::Part;
            let elsewhere = Some(entry.package.as_str()) != package;
            (part, *distance, elsewhere, &entry.model_type)
        });
        let found = found.into_iter().map(|(_, entry)| entry.model_type.clone());
        all.insert((*nested).clone(), found.collect());
    }
    all
}

/// What a port depends on. The release writes its own number into every configuration, which changes nothing.
fn interface(entry: &InventoryEntry) -> Result<Digest, AssembleError> {
    let signatures: Vec<_> = entry
        .classes
        .iter()
        .map(|class| (&class.name, &class.main_input, &class.parameters))
        .collect();
    let parts = (
        &entry.config_class,
        without_release(&entry.defaults),
        &entry.auto_classes,
        signatures,
        &entry.sources,
    );
    Digest::of_json(&parts).map_err(|source| AssembleError::Interface {
        model_type: entry.model_type.clone(),
        source,
    })
}

fn without_release(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for (name, value) in fields {
        match value {
            _ if name == "transformers_version" => {}
            Value::Object(inner) => {
                kept.insert(name.clone(), Value::Object(without_release(inner)));
            }
            other => {
                kept.insert(name.clone(), other.clone());
            }
        }
    }
    kept
}

/// A text in one line of a bounded length.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(PROBLEM_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An inventory as the worker writes one: a composite, its parts, and a task-only type.
    fn inventory() -> Inventory {
        let class = |name: &str, autos: &[&str], input: &str| {
            json!({
                "name": name, "module": "m", "file": "m.py", "auto_classes": autos, "main_input": input,
                "parameters": [{"name": input, "required": true}], "modalities": []
            })
        };
        serde_json::from_value(json!({
            "library_version": "9.0.0",
            "types": [
                {
                    "model_type": "whole", "config_class": "WholeConfig", "package": "lib.whole",
                    "auto_classes": {"AutoModel": ["WholeModel"]}, "nested": ["middle", "text"],
                    "classes": [class("WholeModel", &["AutoModel"], "pixel_values"), class("WholeHead", &[], "pixel_values")],
                    "defaults": {"size": 3, "transformers_version": "9.0.0", "inner": {"transformers_version": "9.0.0"}},
                    "sources": {"m.py": "a".repeat(64)}
                },
                {
                    "model_type": "middle", "config_class": "MiddleConfig", "package": "lib.whole",
                    "auto_classes": {}, "nested": ["part"]
                },
                {
                    "model_type": "part", "config_class": "PartConfig", "package": "lib.whole", "auto_classes": {},
                    "nested": ["part"], "classes": [class("PartModel", &[], "pixel_values")],
                    "problems": ["PartConfig(): ValueError:\n  too\n  bad"]
                },
                {
                    "model_type": "another", "config_class": "AnotherConfig", "package": "lib.another",
                    "auto_classes": {"AutoModelForCTC": ["AnotherForCTC"]}, "nested": ["text"],
                    "classes": [class("AnotherForCTC", &["AutoModelForCTC"], "input_values")]
                },
                {
                    "model_type": "text", "config_class": "TextConfig", "package": "lib.another",
                    "auto_classes": {"AutoModel": ["TextModel"]},
                    "classes": [class("TextModel", &["AutoModel"], "input_ids")]
                }
            ]
        }))
        .unwrap()
    }

    fn names(types: &[ModelType]) -> Vec<&str> {
        types.iter().map(ModelType::as_str).collect()
    }

    #[test]
    fn types_are_in_the_order_of_their_names() {
        let catalogue = assemble(&inventory()).unwrap();
        let types: Vec<_> = catalogue
            .types
            .iter()
            .map(|e| e.model_type.as_str())
            .collect();
        assert_eq!(types, ["another", "middle", "part", "text", "whole"]);
    }

    #[test]
    fn the_auto_classes_make_the_kind() {
        let catalogue = assemble(&inventory()).unwrap();
        for (name, kind) in [
            ("whole", Kind::Base),
            ("another", Kind::Task),
            ("part", Kind::Part),
        ] {
            assert_eq!(catalogue.get(name).unwrap().kind, kind, "{name}");
        }
    }

    #[test]
    fn a_class_that_no_auto_class_leads_to_is_the_types_own() {
        let catalogue = assemble(&inventory()).unwrap();
        assert_eq!(catalogue.get("whole").unwrap().own_classes, ["WholeHead"]);
        assert_eq!(catalogue.get("part").unwrap().own_classes, ["PartModel"]);
    }

    #[test]
    fn a_part_of_a_part_is_led_to_the_type_that_can_run() {
        let catalogue = assemble(&inventory()).unwrap();
        let part = catalogue.get("part").unwrap();
        assert_eq!(names(&part.parents), ["whole", "middle"]);
    }

    #[test]
    fn of_equal_parents_that_of_the_same_package_comes_first() {
        let catalogue = assemble(&inventory()).unwrap();
        let text = catalogue.get("text").unwrap();
        assert_eq!(names(&text.parents), ["another", "whole"]);
    }

    #[test]
    fn the_number_of_the_release_is_no_part_of_an_interface() {
        let mut seen = inventory();
        let digest = |seen: &Inventory| {
            let catalogue = assemble(seen).unwrap();
            catalogue.get("whole").unwrap().interface.clone()
        };
        let before = digest(&seen);
        seen.types[0].defaults["inner"] = json!({"transformers_version": "9.1.0"});
        seen.types[0].defaults["transformers_version"] = "9.1.0".into();
        assert_eq!(digest(&seen), before);
        seen.types[0].defaults["size"] = 4.into();
        assert_ne!(digest(&seen), before);
    }

    #[test]
    fn source_and_signatures_are_part_of_an_interface() {
        let before = assemble(&inventory()).unwrap();
        let mut seen = inventory();
        seen.types[0]
            .sources
            .insert("m.py".into(), Digest::of("changed"));
        seen.types[4].classes[0].parameters[0].required = false;
        let after = assemble(&seen).unwrap();
        for name in ["whole", "text"] {
            let interface = |catalogue: &Catalogue| catalogue.get(name).unwrap().interface.clone();
            assert_ne!(interface(&after), interface(&before), "{name}");
        }
    }

    #[test]
    fn a_problem_is_one_line_of_a_bounded_length() {
        let mut seen = inventory();
        seen.types[2].problems.push("é".repeat(1000));
        let catalogue = assemble(&seen).unwrap();
        let problems = &catalogue.get("part").unwrap().problems;
        assert_eq!(problems[0], "PartConfig(): ValueError: too bad");
        assert_eq!(problems[1].chars().count(), PROBLEM_CHARS + 1);
    }

    #[test]
    fn a_library_without_types_is_refused() {
        let empty = Inventory {
            library_version: "9.0.0".into(),
            types: vec![],
        };
        assert!(matches!(assemble(&empty), Err(AssembleError::Empty)));
    }
}

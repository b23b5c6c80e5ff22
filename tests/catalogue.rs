//! `portwright catalogue` from end to end, with the installed release.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, process::Output};

use serde_json::Value;
use support::{Place, documents::assert_documented, json, text};

fn catalogue(place: &Place, args: &[&str]) -> Output {
    let output = place
        .command()
        .arg("catalogue")
        .args(args)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    output
}

fn names(document: &Value) -> Vec<&str> {
    let types = document["types"].as_array().unwrap();
    types
        .iter()
        .map(|entry| entry["model_type"].as_str().unwrap())
        .collect()
}

#[test]
fn every_type_of_the_release_is_listed_and_can_be_narrowed() {
    let place = Place::new();
    let all = json(&catalogue(&place, &["list", "--json"]));
    assert_documented(&all["types"][0]);
    assert!(names(&all).len() > 700, "{}", names(&all).len());
    assert_eq!(all["library_version"], support::transformers());

    let narrow = ["list", "--family", "vision", "--kind", "task", "--json"];
    let some = json(&catalogue(&place, &narrow));
    assert!(!names(&some).is_empty() && names(&some).len() < names(&all).len());
    for entry in some["types"].as_array().unwrap() {
        assert_eq!(
            (&entry["family"], &entry["kind"]),
            (&"vision".into(), &"task".into())
        );
    }
}

#[test]
fn the_families_of_the_names_that_people_use_are_those_of_their_types() {
    let place = Place::new();
    let all = json(&catalogue(&place, &["list", "--json"]));
    let all = portwright_core::Catalogue::from_json(&all.to_string()).unwrap();
    let rows = portwright_knowledge::catalogue::rows(&all).unwrap();
    for row in rows {
        match row.target {
            portwright_knowledge::catalogue::SeedTarget::Type(name) => {
                let family = all.get(name.as_str()).unwrap().family;
                assert_eq!(family, row.family, "{} is {name}", row.name);
            }
            portwright_knowledge::catalogue::SeedTarget::Folder(name) => {
                let folder = support::source().join("evals/models").join(&name);
                assert!(folder.join("config.json").is_file(), "{name}");
            }
            portwright_knowledge::catalogue::SeedTarget::Absent(name) => panic!("no {name}"),
        }
    }
}

#[test]
fn a_name_that_people_use_shows_its_type() {
    let place = Place::new();
    let shown = json(&catalogue(&place, &["show", "FLAN-T5", "--json"]));
    assert_documented(&shown);
    assert_eq!(shown["type"]["model_type"], "t5");
    assert_eq!(shown["variant"]["tie_word_embeddings"], false);
    let text = catalogue(&place, &["show", "gpt_2"]).stdout;
    assert!(String::from_utf8(text).unwrap().contains("GPT2LMHeadModel"));
}

#[test]
fn an_exported_catalogue_is_compared_with_the_release() {
    let place = Place::new();
    catalogue(&place, &["export"]);
    let file = place.path("huggingface_model_types.json");
    let mut exported: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let same = json(&catalogue(
        &place,
        &["diff", "huggingface_model_types.json", "--json"],
    ));
    assert_documented(&same);
    for list in ["added", "gone", "changed"] {
        assert_eq!(same[list].as_array().unwrap().len(), 0, "{list}");
    }

    let types = exported["types"].as_array_mut().unwrap();
    let gone = types.remove(0);
    types[0]["kind"] = "task".into();
    types[0]["own_classes"] = ["Planted"].into();
    fs::write(&file, exported.to_string()).unwrap();
    let other = json(&catalogue(
        &place,
        &["diff", "huggingface_model_types.json", "--json"],
    ));
    assert_documented(&other);
    assert_eq!(other["added"][0], gone["model_type"]);
    let changed = &other["changed"][0]["changes"];
    assert_eq!(changed.as_array().unwrap().len(), 2, "{changed:#}");
}

//! No rule and no line of code may name a model: what is known of models is data in the catalogue, or it is general.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use portwright_knowledge::catalogue::seeds;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if !is_exempt(&path) {
            found.push(path);
        }
    }
}

/// The aliases of the catalogue, and unit tests in a file of their own.
fn is_exempt(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "seeds.toml" || name.ends_with("_tests.rs")
}

/// The code of a file without its unit tests and comments, which may speak of models.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['/', '#']))
        // Help texts show how a command looks with a type.
        .filter(|line| !line.contains("portwright run"))
        .collect::<Vec<_>>()
        .join("\n")
        .to_lowercase()
}

fn quoted<'a>(code: &'a str, names: &'a [String]) -> Option<&'a String> {
    names
        .iter()
        .find(|name| code.contains(&format!("\"{name}\"")) || code.contains(&format!("\"{name}_")))
}

#[test]
fn no_code_or_rule_names_a_model() {
    let names: Vec<String> = seeds()
        .unwrap()
        .iter()
        .flat_map(|seed| seed.model_type.iter().chain(&seed.also).chain([&seed.name]))
        .map(|name| name.to_lowercase())
        .collect();
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 20);
    for file in files {
        let code = code(&file);
        let named = quoted(&code, &names);
        assert!(
            named.is_none(),
            "{} names `{}`",
            file.display(),
            named.unwrap()
        );
    }
    // The check itself finds a name.
    assert!(quoted("if model == \"bert\" {", &names).is_some());
}

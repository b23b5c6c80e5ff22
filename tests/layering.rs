//! The arrows between the crates, as a test: what `cargo metadata` shows is compared with the plan of the house.
//!
//! Each rule is a function from metadata to complaints. One test holds it against the workspace, one against planted
//! metadata in which it must complain.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::{Value, json};

/// Each crate and those it may depend on, from the top down. `src` is the root package.
const ARROWS: [(&str, &[&str]); 10] = [
    (
        "src",
        &[
            "dashboard",
            "evals",
            "agents",
            "tools",
            "knowledge",
            "sandbox",
            "ledger",
            "prompts",
            "core",
        ],
    ),
    // The dashboard looks at what happened, and at nothing else.
    ("dashboard", &["ledger", "core"]),
    (
        "evals",
        &[
            "agents",
            "tools",
            "knowledge",
            "sandbox",
            "ledger",
            "prompts",
            "core",
        ],
    ),
    (
        "agents",
        &["tools", "knowledge", "sandbox", "ledger", "prompts", "core"],
    ),
    (
        "tools",
        &["knowledge", "sandbox", "ledger", "prompts", "core"],
    ),
    ("knowledge", &["core"]),
    ("sandbox", &["core"]),
    ("ledger", &["core"]),
    ("prompts", &["core"]),
    ("core", &[]),
];

/// Libraries that only some crates may use, and why.
const RESERVED: [(&str, &[&str], &str); 9] = [
    (
        "ort",
        &["sandbox", "knowledge"],
        "types of a runtime stay in its backend's file, and in the process that embeds texts",
    ),
    (
        "async-openai",
        &["agents"],
        "types of the language-model client stay in agents/llm",
    ),
    (
        "tokio",
        &["src", "dashboard", "agents", "sandbox", "knowledge"],
        "async lives in the driver, the worker pool and the servers, and behind the store of vectors on a server",
    ),
    ("rusqlite", &["ledger"], "the ledger alone knows its tables"),
    ("git2", &["tools"], "the tools alone touch a repository"),
    (
        "minijinja",
        &["tools", "prompts"],
        "templates of emitted code live in tools, those of prompts in prompts",
    ),
    (
        "tree-sitter",
        &["knowledge"],
        "source is read in knowledge alone",
    ),
    (
        "tantivy",
        &["knowledge"],
        "the index is searched by way of knowledge",
    ),
    (
        "qdrant-client",
        &["knowledge"],
        "types of the server stay in its store's file",
    ),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The crate's name in the plan of the house; `None` for a library from outside.
fn room(package: &str) -> Option<&str> {
    match package {
        "portwright" => Some("src"),
        _ => package.strip_prefix("portwright-"),
    }
}

/// Every crate of the workspace with the names of what it depends on, for its tests and build script too.
fn crates(metadata: &Value) -> Vec<(&str, Vec<&str>)> {
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap();
            let dependencies = package["dependencies"].as_array().unwrap();
            let names = dependencies
                .iter()
                .map(|dependency| dependency["name"].as_str().unwrap());
            (room(name).unwrap_or(name), names.collect())
        })
        .collect()
}

fn arrows_that_point_up(metadata: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for (from, dependencies) in crates(metadata) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            complaints.push(format!(
                "`{from}` has no place in the layers; give it one here"
            ));
            continue;
        };
        for to in dependencies.into_iter().filter_map(room) {
            if !allowed.contains(&to) {
                complaints.push(format!("`{from}` must not depend on `{to}`"));
            }
        }
    }
    complaints
}

fn libraries_in_the_wrong_room(metadata: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for (from, dependencies) in crates(metadata) {
        for (library, rooms, why) in RESERVED {
            if dependencies.contains(&library) && !rooms.contains(&from) {
                complaints.push(format!("`{from}` must not depend on `{library}`: {why}"));
            }
        }
    }
    complaints
}

/// `cargo test` without a choice of packages tests the default members: they must be all.
fn crates_that_are_not_tested(metadata: &Value) -> Vec<String> {
    let ids = |field: &str| metadata[field].as_array().unwrap().clone();
    let default = ids("workspace_default_members");
    ids("workspace_members")
        .into_iter()
        .filter(|member| !default.contains(member))
        .map(|member| format!("{member} is no default member of the workspace"))
        .collect()
}

/// Planted metadata of one crate.
fn planted(name: &str, dependencies: &[&str]) -> Value {
    let dependencies: Vec<Value> = dependencies
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    json!({
        "packages": [{"name": name, "dependencies": dependencies}],
        "workspace_members": [name],
        "workspace_default_members": [],
    })
}

fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn arrows_point_down_only() {
    assert_none(arrows_that_point_up(&metadata()));
}

#[test]
fn an_arrow_that_points_up_is_found() {
    for (name, dependency) in [
        ("portwright-core", "portwright-ledger"),
        ("portwright-ledger", "portwright-sandbox"),
        ("portwright-tools", "portwright-agents"),
        ("portwright-dashboard", "portwright-tools"),
        ("portwright-agents", "portwright"),
        ("portwright-agents", "portwright-agents"),
    ] {
        let found = arrows_that_point_up(&planted(name, &["serde", dependency]));
        assert_eq!(found.len(), 1, "{name} -> {dependency}");
    }
}

#[test]
fn a_crate_without_a_place_is_found() {
    assert_eq!(arrows_that_point_up(&planted("helpers", &[])).len(), 1);
}

#[test]
fn the_plan_itself_has_no_way_up() {
    for (index, (name, allowed)) in ARROWS.iter().enumerate() {
        for to in *allowed {
            let place = ARROWS.iter().position(|(other, _)| other == to).unwrap();
            assert!(place > index, "{name} -> {to}");
        }
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    assert_none(libraries_in_the_wrong_room(&metadata()));
}

#[test]
fn a_library_in_the_wrong_room_is_found() {
    for (name, library) in [
        ("portwright", "ort"),
        ("portwright-agents", "ort"),
        ("portwright-core", "tokio"),
        ("portwright-ledger", "tokio"),
        ("portwright-agents", "tantivy"),
        ("portwright-tools", "async-openai"),
        ("portwright-dashboard", "rusqlite"),
    ] {
        let found = libraries_in_the_wrong_room(&planted(name, &[library]));
        assert_eq!(found.len(), 1, "{name} -> {library}");
    }
}

#[test]
fn every_crate_is_tested_by_a_plain_cargo_test() {
    assert_none(crates_that_are_not_tested(&metadata()));
}

#[test]
fn a_crate_that_is_not_tested_is_found() {
    let found = crates_that_are_not_tested(&planted("portwright-core", &[]));
    assert_eq!(found.len(), 1);
}

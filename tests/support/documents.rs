//! Whether the reference pages name what the documents for machines hold.

use std::fs;

use serde_json::Value;

use super::source;

/// A page of the reference.
pub fn page(name: &str) -> String {
    fs::read_to_string(source().join("docs/reference").join(name)).unwrap()
}

/// The fields of `value` that `page` does not name in backticks, each as a path below `at`.
pub fn undocumented(value: &Value, page: &str, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let path = format!("{at}.{name}");
                let mut missing = undocumented(value, page, &path);
                if !names(page, name) {
                    missing.push(path);
                }
                missing
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| undocumented(item, page, &format!("{at}[]")))
            .collect(),
        _ => Vec::new(),
    }
}

/// `name`, `.name`, `of.name`, `name.field`, `name[].field` and `"name":` in an example name a field; a word in running
/// text does not.
fn names(page: &str, name: &str) -> bool {
    [
        format!("`{name}`"),
        format!(".{name}`"),
        format!("`{name}."),
        format!("`{name}[]"),
        format!("\"{name}\":"),
    ]
    .iter()
    .any(|form| page.contains(form))
}

/// Complains of every field of a run's document that the reference does not name.
pub fn assert_documented(run: &Value) {
    let json = page("json.md");
    let mut missing = Vec::new();
    for (name, value) in run.as_object().unwrap() {
        if !names(&json, name) {
            missing.push(name.clone());
        }
        if name == "verdicts" {
            for entry in value.as_array().unwrap() {
                missing.extend(of_verdict(entry, &json));
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/reference: {missing:?}");
}

fn of_verdict(verdict: &Value, json: &str) -> Vec<String> {
    let details = page("verdict.md");
    let mut missing = Vec::new();
    for (name, value) in verdict.as_object().unwrap() {
        if !names(json, name) {
            missing.push(name.clone());
        }
        let mut value = value.clone();
        if name == "evidence" {
            // Their fields are names of packages, providers and axes.
            value["versions"] = Value::Null;
            value["placement"]["by_provider"] = Value::Null;
            for set in value["input_sets"].as_array_mut().unwrap() {
                set["sizes"] = Value::Null;
            }
        }
        if name == "finding" {
            // A Python exception in the worker's form, one level deep in the reference.
            for field in ["frames", "causes"] {
                if let Some(list) = value["error"].get_mut(field) {
                    *list = Value::Null;
                }
            }
        }
        missing.extend(undocumented(&value, &details, name));
    }
    missing
}

//! A stratified sample of what the coverage page says is swept again: a green cell stays true.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, VecDeque};

use portwright_core::Digest;
use support::{Place, json, source, text};

/// So many names of all families together.
const SAMPLE: usize = 16;

/// The names that pass on all three backends by a page, by the heading of their family.
fn passing(page: &str) -> BTreeMap<String, Vec<String>> {
    let mut family = String::new();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let matrix = page
        .lines()
        .skip_while(|line| *line != "## The matrix")
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    for line in matrix {
        if let Some(heading) = line.strip_prefix("### ") {
            family = heading.split(' ').next().unwrap_or_default().to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        // A part that a parent exercises is swept with its parent.
        let [name, kind, _, first, second, third, ..] = cells[..] else {
            continue;
        };
        let passes = [first, second, third]
            .iter()
            .all(|cell| *cell == "pass" || *cell == "pass (static)");
        if passes && !kind.contains("through") {
            let name = name.split('`').nth(1).unwrap_or_default().to_owned();
            found.entry(family.clone()).or_default().push(name);
        }
    }
    found
}

/// The families in turn, each in an order that has nothing to do with names or ages.
fn sample(passing: BTreeMap<String, Vec<String>>, count: usize) -> Vec<String> {
    let mut waiting: Vec<VecDeque<String>> = passing
        .into_values()
        .map(|mut names| {
            names.sort_by_key(|name| Digest::of(name).as_str().to_owned());
            names.into()
        })
        .collect();
    let mut taken = Vec::new();
    while taken.len() < count && waiting.iter().any(|names| !names.is_empty()) {
        for names in &mut waiting {
            if taken.len() < count {
                taken.extend(names.pop_front());
            }
        }
    }
    taken
}

#[test]
fn a_sample_of_what_passes_by_the_page_passes_again() {
    let page = std::fs::read_to_string(source().join("docs/coverage.md")).unwrap();
    let names = sample(passing(&page), SAMPLE);
    assert!(
        names.len() >= SAMPLE,
        "the page shows few passes: {names:?}"
    );
    let place = Place::new();
    let output = place
        .command()
        // Where the folders of the models outside the library are found.
        .current_dir(source())
        .arg("sweep")
        .args(&names)
        .args(["--no-generation", "--json", "--ledger"])
        .arg(place.path("ledger"))
        .output()
        .unwrap();
    let document = json(&output);
    let mut wrong = Vec::new();
    for row in document["rows"].as_array().unwrap() {
        for verdict in row["verdicts"].as_array().unwrap() {
            if verdict["verdict"] != "pass" {
                wrong.push(format!("{}: {verdict:#}", row["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), text(&output));
    assert_eq!(document["rows"].as_array().unwrap().len(), names.len());
}

#[test]
fn only_rows_that_pass_everywhere_are_sampled() {
    let page = "\
## The matrix

### vision (3)

| name | kind | class | torch-cpu | onnxruntime | openvino |
| --- | --- | --- | --- | --- | --- |
| `a` | base | `A` | pass | pass (static) | pass |
| `b` | base | `B` | pass | export: `no` | pass |
| `c` | part through `a` | `A` | pass | pass | pass |

### speech (1)

| `d` | base | `D` | pass | pass | pass |

## What does not pass

| `e` | base | `E` | pass | pass | pass |
";
    let found = passing(page);
    assert_eq!(found["vision"], ["a"]);
    assert_eq!(found["speech"], ["d"]);
    assert_eq!(sample(found, 1).len(), 1);
}

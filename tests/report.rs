//! What the commands print, where, and that the reference names all of it.
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use support::{
    Place,
    documents::{page, undocumented},
    json, source, text,
};

#[test]
fn the_report_is_on_stdout_the_progress_on_stderr_and_neither_is_coloured() {
    let place = Place::new();
    let mut run = place.command();
    run.args(["run", "bert", "--backend", "torch-cpu"]);
    let output = run
        .env_remove("NO_COLOR")
        .env("TERM", "xterm-256color")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    for word in ["backend", "verdict", "torch-cpu", "pass", "committed"] {
        assert!(stdout.contains(word), "`{word}` is not in\n{stdout}");
    }
    for word in ["introspect", "run torch-cpu", "BertModel"] {
        assert!(stderr.contains(word), "`{word}` is not in\n{stderr}");
    }
    assert!(!stdout.contains("introspect"), "{stdout}");
    assert!(!stderr.contains("committed"), "{stderr}");
    assert!(!(stdout + &stderr).contains('\x1b'));

    // Who asks for colours gets them.
    let mut again = place.command();
    again.args(["run", "bert", "--backend", "torch-cpu"]);
    let output = again.args(["--color", "always"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("\x1b["), "{stdout}");
    assert!(stdout.contains("from the ledger"), "{stdout}");

    runs_are_listed_and_shown(&place);
}

/// What the ledger says of the run that was just made.
fn runs_are_listed_and_shown(place: &Place) {
    let reference = page("json.md");
    let say = |args: &[&str]| {
        let output = place.command().arg("runs").args(args).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        output
    };
    let list = json(&say(&["--json"]));
    assert_eq!(list["schema"], 1);
    let run = list["runs"][0]["run"].as_str().unwrap();
    assert_eq!(list["runs"][0]["exit_code"], 0);
    assert_eq!(undocumented(&list, &reference, ""), Vec::<String>::new());

    let shown = json(&say(&[run, "--json"]));
    assert_eq!(shown["run"], list["runs"][0]);
    assert_eq!(shown["events"][0]["event"], "run-started");
    assert_eq!(shown["verdicts"].as_array().unwrap().len(), 2);
    assert!(
        shown["verdicts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|verdict| verdict["fresh"] == true)
    );

    let table = String::from_utf8(say(&[]).stdout).unwrap();
    assert!(table.contains(run) && table.contains("passed"), "{table}");
    let story = String::from_utf8(say(&[run]).stdout).unwrap();
    for word in ["introspect: done", "torch-cpu: pass afresh", "committed"] {
        assert!(story.contains(word), "`{word}` is not in\n{story}");
    }
}

#[test]
fn a_new_place_has_no_runs_and_says_how_to_make_one() {
    let output = Place::new().command().arg("runs").output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("portwright run"), "{}", text(&output));
}

#[test]
fn every_shell_gets_a_completion_script() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = Place::new()
            .command()
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("portwright"), "{shell}");
        assert!(script.contains("checkpoint"), "{shell}");
    }
}

#[test]
fn the_printed_defaults_are_a_settings_file_that_changes_nothing() {
    let place = Place::new();
    let config = |args: &[&str]| {
        let output = place.command().arg("config").args(args).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let values = |shown: &str| {
        shown
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split("  # ").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = values(&config(&["show"]));
    assert!(!before.is_empty());
    let defaults = config(&["defaults"]);
    defaults.parse::<toml::Table>().unwrap();
    // A relative path in a file is one from the file's own folder, so those two lines are compared by themselves.
    fs::write(place.path("portwright.toml"), &defaults).unwrap();
    let after = values(&config(&["show"]));
    let paths = ["run.repo", "ledger.dir"];
    let others = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| !paths.iter().any(|path| line.starts_with(path)))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&after), others(&before));
    assert_eq!(after.len(), before.len());
}

#[test]
fn the_doctor_lists_what_the_reference_says() {
    let output = Place::new()
        .command()
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let document = json(&output);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["ready"], true);
    let reference = page("json.md");
    assert_eq!(
        undocumented(&document, &reference, ""),
        Vec::<String>::new()
    );
    for section in [
        "tools",
        "environment",
        "sandbox",
        "backends",
        "devices",
        "machine",
    ] {
        let items = document[section].as_array().unwrap();
        assert!(!items.is_empty(), "{section}");
        for item in items {
            let state = item["state"].as_str().unwrap();
            assert!(["present", "pending", "absent"].contains(&state), "{item}");
            assert!(!item["detail"].as_str().unwrap().is_empty(), "{item}");
        }
    }
    let named: BTreeSet<_> = document["backends"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["state"] == "present")
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    // What needs a component is there where somebody has fetched it.
    let with_environment = BTreeSet::from(["torch-cpu", "onnxruntime", "openvino"]);
    assert!(named.is_superset(&with_environment), "{named:?}");
}

#[test]
fn the_reference_names_every_exit_code_and_no_other() {
    let code = fs::read_to_string(source().join("src/exit.rs")).unwrap();
    let known: BTreeSet<u8> = code
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "))
        .map(|(_, value)| value.trim_end_matches(';').parse().unwrap())
        .collect();
    assert!(known.len() > 5, "{known:?}");
    let reference = page("json.md");
    let (_, section) = reference.split_once("## Exit codes").unwrap();
    let named: BTreeSet<u8> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(named, known);
}

#[test]
fn a_field_that_the_reference_does_not_name_is_complained_of() {
    let document: Value = serde_json::from_str(r#"{"run": {"colour": "red"}}"#).unwrap();
    let missing = undocumented(&document, "| `run` | The run's colour. |", "");
    assert_eq!(missing, [".run.colour"]);
}

//! What a user gets for wrong input: one clear error that names the cure, a documented exit code, and nothing lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Place, text};

/// Asserts an error on stderr with this exit code, these words and a hint, and nothing on stdout.
fn assert_error(place: &Place, args: &[&str], code: i32, words: &[&str]) {
    let output = place.command().args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in\n{stderr}");
    }
    assert!(stderr.contains("hint:"), "{stderr}");
}

#[test]
fn an_unknown_type_gets_did_you_mean() {
    let place = Place::new();
    assert_error(&place, &["run", "brt"], 2, &["brt", "bert"]);
}

#[test]
fn an_empty_name_is_refused() {
    assert_error(&Place::new(), &["run", ""], 2, &["empty"]);
}

#[test]
fn a_name_without_an_implementation_says_to_give_its_folder() {
    assert_error(&Place::new(), &["run", "PaLM"], 2, &["PaLM", "folder"]);
}

#[test]
fn an_unknown_backend_names_the_known_ones() {
    let output = Place::new()
        .command()
        .args(["run", "bert", "--backend", "tpu"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("onnxruntime"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_plan_that_does_not_parse_names_the_line() {
    let place = Place::new();
    fs::write(place.path("plan.toml"), "schema = [").unwrap();
    assert_error(
        &place,
        &["run", "bert", "--plan", "plan.toml"],
        2,
        &["plan.toml", "TOML"],
    );
}

#[test]
fn a_plan_with_an_unknown_key_names_it() {
    let place = Place::new();
    fs::write(place.path("plan.toml"), "schema = 1\ncolour = \"red\"\n").unwrap();
    assert_error(
        &place,
        &["run", "bert", "--plan", "plan.toml"],
        2,
        &["colour"],
    );
}

#[test]
fn a_setting_that_does_not_exist_is_named() {
    let place = Place::new();
    fs::write(place.path("portwright.toml"), "[run]\nbackend = []\n").unwrap();
    assert_error(&place, &["run", "bert"], 2, &["backend", "backends"]);
}

#[test]
fn a_folder_without_a_config_says_what_belongs_there() {
    let place = Place::new();
    fs::create_dir(place.path("model")).unwrap();
    assert_error(&place, &["run", "model"], 2, &["config.json", "auto_map"]);
}

#[test]
fn a_corrupt_ledger_is_named_and_left_as_it_is() {
    let place = Place::new();
    let ledger = place.path(".portwright");
    fs::create_dir(&ledger).unwrap();
    let file = ledger.join("ledger.sqlite");
    fs::write(&file, "this is not a database, however long it is").unwrap();
    assert_error(&place, &["run", "bert"], 5, &["ledger.sqlite"]);
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .starts_with("this is not")
    );
}

#[test]
fn a_run_that_does_not_exist_is_named() {
    assert_error(&Place::new(), &["runs", "bert-never"], 2, &["bert-never"]);
}

fn modelling_folder(place: &Place, code: &str) {
    let folder = place.path("model");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("config.json"),
        r#"{"model_type": "mine", "auto_map": {"AutoConfig": "configuration_mine.MineConfig", "AutoModel": "modeling_mine.MineModel"}}"#,
    )
    .unwrap();
    fs::write(folder.join("configuration_mine.py"), code).unwrap();
    fs::write(folder.join("modeling_mine.py"), code).unwrap();
}

#[test]
fn modelling_code_that_raises_at_import_is_a_finding() {
    let place = Place::new();
    modelling_folder(&place, "raise RuntimeError('no such luck')\n");
    let (code, document) = place.run(&["model"]);
    assert_eq!(code, 1);
    assert!(document["commit"].is_null());
    for verdict in document["verdicts"].as_array().unwrap() {
        assert_eq!(verdict["verdict"], "fail");
        assert_eq!(verdict["finding"]["stage"], "analyse");
        assert!(
            verdict["finding"]["message"]
                .as_str()
                .unwrap()
                .contains("no such luck"),
            "{verdict:#}"
        );
    }
    assert!(
        !place.path("skillsets").exists(),
        "nothing passed, so nothing is committed"
    );
}

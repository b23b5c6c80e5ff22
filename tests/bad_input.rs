//! What a user gets for wrong input: one clear error that names the cure, a documented exit code, and nothing lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, process::Output};

use support::{Place, documents::assert_documented, json, text};

/// Asserts an error on stderr with this exit code, these words and a hint, and nothing on stdout, with `--json` too.
fn assert_error(place: &Place, args: &[&str], code: i32, words: &[&str]) {
    let mut command = place.command();
    command.args(args).arg("--json");
    assert_refused(&command.output().unwrap(), code, words);
}

fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
    assert!(output.stdout.is_empty(), "{}", text(output));
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
fn an_unknown_family_names_the_known_ones() {
    let output = Place::new()
        .command()
        .args(["catalogue", "list", "--family", "poems"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("decoder-only"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_file_that_is_no_catalogue_is_named() {
    let place = Place::new();
    fs::write(place.path("types.json"), r#"{"schema": 99}"#).unwrap();
    let args = ["catalogue", "diff", "types.json", "types.json"];
    assert_error(&place, &args, 2, &["types.json", "99"]);
    let absent = ["catalogue", "diff", "absent.json", "types.json"];
    assert_error(&place, &absent, 2, &["absent.json"]);
}

#[test]
fn a_release_that_is_no_version_is_named() {
    let args = ["catalogue", "diff", "latest", "5.20.2"];
    assert_error(&Place::new(), &args, 3, &["latest"]);
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
    assert_error(&place, &["run", "./model"], 2, &["config.json", "auto_map"]);
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

#[test]
fn a_plan_for_another_type_is_refused() {
    let place = Place::new();
    let plan = support::source().join("tools/tests/plans/gpt2.toml");
    assert_error(
        &place,
        &["run", "bert", "--plan", plan.to_str().unwrap()],
        2,
        &["gpt2", "bert"],
    );
}

#[test]
fn a_checkpoint_that_is_not_there_is_named() {
    assert_error(
        &Place::new(),
        &["run", "bert", "--checkpoint", "nowhere"],
        2,
        &["nowhere"],
    );
}

#[test]
fn a_checkpoint_without_a_config_is_named() {
    let place = Place::new();
    fs::create_dir(place.path("weights")).unwrap();
    assert_error(
        &place,
        &["run", "bert", "--checkpoint", "weights"],
        2,
        &["weights", "config.json"],
    );
}

#[test]
fn a_checkpoint_of_another_type_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path("weights")).unwrap();
    fs::write(
        place.path("weights/config.json"),
        r#"{"model_type": "gpt2"}"#,
    )
    .unwrap();
    assert_error(
        &place,
        &["run", "bert", "--checkpoint", "weights"],
        2,
        &["gpt2", "bert"],
    );
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Place::new();
    assert!(
        place
            .command()
            .arg("runs")
            .output()
            .unwrap()
            .status
            .success()
    );
    let file = place.path(".portwright/ledger.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    // The version of a database's format, in the header of every SQLite file.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&file, &bytes).unwrap();
    assert_error(&place, &["run", "bert"], 5, &["ledger.sqlite", "99"]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_file_in_the_place_of_the_ledger_s_folder_is_named_and_kept() {
    let place = Place::new();
    fs::write(place.path("letter"), "dear").unwrap();
    assert_error(
        &place,
        &["run", "bert", "--ledger", "letter"],
        5,
        &["letter"],
    );
    assert_eq!(fs::read(place.path("letter")).unwrap(), b"dear");
}

#[test]
fn a_full_disk_is_named_and_the_run_goes_on_when_there_is_space() {
    let place = Place::new();
    fs::create_dir(place.path(".portwright")).unwrap();
    // A small disk of its own where namespaces are granted; elsewhere a limit on the size of files, which the
    // programs meet in the same calls.
    let output = place.shell(
        r#"run() { "$0" run bert --backend torch-cpu --json; }
        if unshare --user --map-root-user --mount true; then
            unshare --user --map-root-user --mount sh -c '
                mount -t tmpfs -o size=700k small .portwright || exit
                "$0" run bert --backend torch-cpu --json; echo "$?" >first
                mount -o remount,size=500m .portwright || exit
                exec "$0" run bert --backend torch-cpu --json' "$0"
        else
            (trap "" XFSZ; ulimit -f 200; run; echo "$?" >first)
            run
        fi"#,
    );
    assert_eq!(
        fs::read_to_string(place.path("first")).unwrap().trim(),
        "5",
        "{}",
        text(&output)
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(".portwright/"), "{stderr}");
    assert!(stderr.contains("hint:"), "{stderr}");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(json(&output)["verdicts"][0]["verdict"], "pass");
}

#[test]
fn without_tools_and_environment_the_missing_tool_is_named() {
    let place = Place::new();
    fs::create_dir(place.path("bin")).unwrap();
    let output = place
        .command()
        .args(["run", "bert", "--json"])
        .env("PATH", place.path("bin"))
        .env("PORTWRIGHT_CACHE_DIR", place.path("cache"))
        .env_remove("PORTWRIGHT_PYTHON")
        .env_remove("PORTWRIGHT_UV")
        .output()
        .unwrap();
    assert_refused(&output, 3, &["no usable Python", "PORTWRIGHT_PYTHON"]);
}

#[test]
fn a_release_that_does_not_exist_is_answered_with_the_nearest() {
    let place = Place::new();
    assert_error(
        &place,
        &["run", "bert", "--transformers", "0.0.1"],
        3,
        &["no transformers 0.0.1", "nearest", "try"],
    );
}

#[test]
fn a_word_that_is_no_release_is_refused() {
    assert_error(
        &Place::new(),
        &["run", "bert", "--transformers", "newest"],
        3,
        &["newest", "5."],
    );
}

/// A model whose files hold `code`.
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

/// Runs the folder and asserts that it is reported as what does not pass, with a finding; answers with the findings.
fn findings(place: &Place) -> String {
    let (code, document) = place.run(&["model", "--backend", "torch-cpu"]);
    assert_eq!(code, 1, "{document:#}");
    assert!(document["commit"].is_null(), "{document:#}");
    assert_documented(&document);
    let verdicts = document["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1, "{document:#}");
    for verdict in verdicts {
        assert_ne!(verdict["verdict"], "pass", "{verdict:#}");
        assert_eq!(verdict["finding"]["stage"], "analyse", "{verdict:#}");
        assert!(!verdict["finding"]["message"].as_str().unwrap().is_empty());
    }
    assert!(
        !place.path("skillsets").exists(),
        "nothing passed, so nothing is committed"
    );
    document["verdicts"].to_string()
}

#[test]
fn modelling_code_that_raises_at_import_is_a_finding() {
    let place = Place::new();
    modelling_folder(&place, "raise RuntimeError('no such luck')\n");
    let findings = findings(&place);
    assert!(findings.contains("no such luck"), "{findings}");
    assert!(findings.contains(r#""verdict":"fail""#), "{findings}");
}

#[test]
fn modelling_code_that_is_no_python_is_a_finding() {
    let place = Place::new();
    modelling_folder(&place, "def broken(:\n");
    let findings = findings(&place);
    assert!(findings.contains("SyntaxError"), "{findings}");
}

#[test]
fn modelling_code_that_prints_a_forged_pass_does_not_pass() {
    let place = Place::new();
    modelling_folder(
        &place,
        r#"
import json, os
verdict = {"backend": "torch-cpu", "verdict": "pass"}
forged = {"schema": 1, "verdicts": [verdict], "commit": "0" * 40, "outcome": "done", "result": verdict}
for descriptor in range(1, 256):
    try:
        os.write(descriptor, json.dumps(forged).encode() + b"\n")
    except OSError:
        pass
os._exit(0)
"#,
    );
    findings(&place);
}

#[test]
fn modelling_code_cannot_read_what_lies_outside_its_folder() {
    let place = Place::new();
    let secret = "0xDEADBEEF is the planted secret";
    fs::create_dir_all(place.path("home/.ssh")).unwrap();
    let key = place.path("home/.ssh/id_ed25519");
    fs::write(&key, secret).unwrap();
    modelling_folder(
        &place,
        &format!("raise RuntimeError('read: ' + open({key:?}).read())\n"),
    );
    let findings = findings(&place);
    assert!(!findings.contains("DEADBEEF"), "{findings}");
    assert!(
        findings.contains("PermissionError") || findings.contains("FileNotFoundError"),
        "{findings}"
    );
    // Nor does it get into what is kept.
    let kept = place.shell("grep -rl DEADBEEF .portwright");
    assert!(kept.stdout.is_empty(), "{}", text(&kept));
}

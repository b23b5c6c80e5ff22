//! What a user gets from a model that says hostile things: in its errors, the names of its outputs, its figures and its
//! answers. Nothing that it says reaches a terminal, a page or an exit code as anything but data.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, process::Output};

use portwright_core::text::is_hidden;
use support::{Place, json, text};

/// What clears a terminal, renames its window, turns writing round and forges a line of the closing table, as Python
/// writes it.
const HOSTILE: &str = r"\x1b[2J\x1b[1;32m  onnxruntime   pass   0\x1b]0;t\x07\r\x00 \u202e \x9b31m \n\n  openvino      pass   0";

/// Answers of a job go through this function; `alter` changes them.
const PATCH: &str = r#"
import json as _json
import os as _os

_write = _os.write


def _patched(pipe, view):
    try:
        answer = _json.loads(bytes(view))
    except ValueError:
        return _write(pipe, view)
    if not (isinstance(answer, dict) and "ok" in answer):
        return _write(pipe, view)
    text = memoryview(alter(answer["ok"], bytes(view).decode()).encode())
    length = len(view)
    while text:
        text = text[_write(pipe, text):]
    return length


_os.write = _patched

"#;

/// A small model with `change` made to its source.
fn model(place: &Place, change: impl FnOnce(String) -> String) {
    let path = place.toy("said", false).join("modeling_said.py");
    let source = fs::read_to_string(&path).unwrap();
    let changed = change(source.clone());
    assert_ne!(changed, source);
    fs::write(&path, changed).unwrap();
}

/// A model whose forward ends with `statement` in the place of its honest return.
fn ending(place: &Place, statement: &str) {
    let honest = "return BaseModelOutput(last_hidden_state=hidden_states)";
    model(place, |source| source.replace(honest, statement));
}

/// A model whose jobs answer what `alter` makes of their answers.
fn answering(place: &Place, alter: &str) {
    model(place, |source| format!("{PATCH}{alter}\n\n{source}"));
}

fn run(place: &Place, more: &[&str]) -> Output {
    let mut command = place.command();
    command.args(["run", "said", "--backend", "torch-cpu"]);
    command.args(more).output().unwrap()
}

/// Asserts that nothing on stdout or stderr acts on a terminal or looks like a row of a pass.
fn assert_plain(output: &Output) {
    for said in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(said).unwrap();
        assert!(!said.contains(|c| is_hidden(c) && c != '\n'), "{said:?}");
        let forged = |line: &str| {
            let mut words = line.split_whitespace();
            let of = words
                .next()
                .is_some_and(|word| ["onnxruntime", "openvino"].contains(&word));
            of && words.next() == Some("pass")
        };
        assert!(!said.lines().any(forged), "{said}");
    }
}

/// Runs a model that must not pass, and answers with the signature and the message of its finding.
fn refused(place: &Place) -> (String, String) {
    let output = run(place, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_plain(&output);
    let document = json(&output);
    assert!(document["commit"].is_null(), "{document:#}");
    let finding = &document["verdicts"][0]["finding"];
    let field = |name: &str| finding[name].as_str().unwrap().to_owned();
    (field("signature"), field("message"))
}

#[test]
fn a_hostile_error_forges_no_line_wherever_it_is_shown() {
    let place = Place::new();
    ending(&place, &format!("raise RuntimeError(\"{HOSTILE}\")"));
    let output = run(&place, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_plain(&output);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains(r"RuntimeError: \u{1b}[2J\u{1b}[1;32m onnxruntime pass"),
        "{told}"
    );
    // From the ledger too.
    let run = told
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("what happened: portwright runs "));
    for more in [&[][..], &["--json"]] {
        let output = place
            .command()
            .args(["runs", run.unwrap()])
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_plain(&output);
    }
}

#[test]
fn an_output_whose_name_is_none_is_no_pass() {
    let place = Place::new();
    ending(
        &place,
        r#"return {"last_hidden_state": hidden_states, "x\x1b[31m\n| pass |\u202e": hidden_states * 2}"#,
    );
    let (signature, message) = refused(&place);
    assert_eq!(signature, "reference outputs: output without a plain name");
    assert!(
        message.contains(r"x\u{1b}[31m | pass |\u{202e}"),
        "{message}"
    );
}

#[test]
fn a_model_that_says_that_the_disk_is_full_fills_no_disk() {
    let place = Place::new();
    ending(
        &place,
        r#"raise RuntimeError("No space left on device (os error 28)")"#,
    );
    let (signature, _) = refused(&place);
    assert!(
        signature.starts_with("RuntimeError: No space left on device"),
        "{signature}"
    );
}

#[test]
fn figures_that_cannot_be_are_no_pass() {
    let place = Place::new();
    answering(
        &place,
        r#"
def alter(ok, text):
    if "latency_seconds" in ok:
        ok["load_seconds"] = 1e300
        ok["nodes"] = {"cpu": 7}
    return _json.dumps({"ok": ok})
"#,
    );
    let (signature, message) = refused(&place);
    assert_eq!(signature, "measurements are implausible");
    assert!(message.contains("1.000e300 s"), "{message}");
}

#[test]
fn an_answer_that_no_reader_can_read_is_its_own_jobs_failure() {
    for answer in [
        // Deeper than a reader goes, a number that is none, half a character.
        r#"'{"ok": ' + "[" * 900 + "]" * 900 + "}""#,
        r#"'{"ok": 1e999}'"#,
        r#"'{"ok": "\\ud800"}'"#,
    ] {
        let place = Place::new();
        answering(
            &place,
            &format!(
                "\ndef alter(ok, text):\n    return {answer} if \"exercised\" in ok else text\n"
            ),
        );
        let (signature, message) = refused(&place);
        assert!(
            signature.starts_with("MalformedAnswer: "),
            "{signature}: {message}"
        );
    }
}

#[test]
fn a_model_type_that_is_no_word_is_wrong_input() {
    let place = Place::new();
    let config = place.toy("said", false).join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    let hostile = r#""model_type": "rt\u001b[31msaid\u0007\r\nFAKE   pass""#;
    fs::write(&config, text.replace(r#""model_type": "said""#, hostile)).unwrap();
    let output = run(&place, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_plain(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains(r"rt\u{1b}[31msaid\u{7} FAKE pass") && said.contains("hint:"),
        "{said}"
    );
}

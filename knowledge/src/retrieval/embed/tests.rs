//! Workers that misbehave, played by real programs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;

/// A program that answers as `script` says, in place of the worker; the model's files are checked before it is started.
fn started(script: &str) -> Result<Embedder, EmbedError> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("worker");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Embedder::spawn(&Start {
        launcher: &program,
        library: Path::new("none"),
        model: &Model {
            onnx: "none".into(),
            tokenizer: "none".into(),
        },
        threads: 1,
    })
}

#[test]
fn a_worker_that_ends_without_a_word_is_an_error_with_its_status() {
    let error = started("exit 3").err().unwrap();
    assert!(matches!(error, EmbedError::Ended(_)), "{error}");
    assert!(error.to_string().contains('3'), "{error}");
    assert!(error.hint().contains("--by text"));
}

#[test]
fn a_worker_that_crashes_on_a_question_is_an_error() {
    let mut embedder = started("echo '\"ready\"'; read line; kill -9 $$").unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert!(error.to_string().contains('9'), "{error}");
    // And stays one.
    assert!(embedder.embed(&["a"]).is_err());
}

#[test]
fn an_answer_that_does_not_fit_the_question_is_refused() {
    let mut embedder =
        started("echo '\"ready\"'; read line; echo '{\"vectors\": []}'; read line").unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert!(
        error.to_string().contains("0 vectors for 1 texts"),
        "{error}"
    );
    let mut embedder = started("echo '\"ready\"'; read line; echo garbage; read line").unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert!(matches!(error, EmbedError::Answer(_)), "{error}");
}

#[test]
fn what_the_worker_says_went_wrong_is_told() {
    let error = started("echo '{\"error\": \"no such library\"}'")
        .err()
        .unwrap();
    assert!(error.to_string().contains("no such library"), "{error}");
}

#[test]
fn a_model_of_another_digest_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Model::open(folder.path()).is_none());
    fs::write(folder.path().join("model.onnx"), "planted").unwrap();
    fs::write(folder.path().join("tokenizer.json"), "planted").unwrap();
    let model = Model::open(folder.path()).unwrap();
    let error = Embedder::start(&Start {
        launcher: Path::new("/nowhere"),
        library: Path::new("/nowhere"),
        model: &model,
        threads: 1,
    })
    .err()
    .unwrap();
    assert!(matches!(error, EmbedError::OtherFile { .. }), "{error}");
    assert!(error.hint().contains("--vectors"));
}

#[test]
fn a_packages_folder_without_the_files_leaves_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("model");
    assert!(Model::take(folder.path(), &to).is_err());
    assert!(!to.exists());
}

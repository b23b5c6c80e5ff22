//! The Python of this repository is tested by the same command as its Rust.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

fn python(args: &[&str]) {
    let environment = support::environment();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(&environment.python)
        .args(args)
        .current_dir(support::source())
        // The library writes a local folder's modules below its home.
        .env("HF_HOME", home.path())
        .env("HF_HUB_OFFLINE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::text(&output));
}

fn pytest(folder: &str) {
    python(&["-m", "pytest", "-q", "-p", "no:cacheprovider", folder]);
}

#[test]
fn the_worker_keeps_its_protocol() {
    pytest("sandbox/python/tests");
}

#[test]
fn the_models_outside_the_library_are_what_they_say() {
    pytest("evals/models");
}

#[test]
fn the_comparison_with_peers_counts_everything_and_sums_it_rightly() {
    pytest("evals/peers");
}

#[test]
fn the_python_sources_are_formatted_and_free_of_lint() {
    python(&["-m", "ruff", "check", "--no-cache", "sandbox", "evals"]);
    python(&[
        "-m",
        "ruff",
        "format",
        "--check",
        "--no-cache",
        "sandbox",
        "evals",
    ]);
}

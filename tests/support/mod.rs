//! What the end-to-end tests share: the real binary, the real environment, and a folder of their own.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;
use portwright_sandbox::environment::Environment;
use serde_json::Value;

/// The locked environment of this machine, built by the first test that asks.
pub fn environment() -> Environment {
    Environment::locked().unwrap()
}

/// A working folder with nothing in it.
pub struct Place {
    pub root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The binary, with this folder as its working folder.
    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("portwright").unwrap();
        command
            .current_dir(self.root.path())
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1");
        command
    }

    /// `portwright run` with `--json`; answers with the exit code and the document.
    pub fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = self
            .command()
            .arg("run")
            .args(args)
            .arg("--json")
            .output()
            .unwrap();
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no JSON document on stdout\n{}", text(&output)));
        (output.status.code().unwrap(), document)
    }

    /// What `git` prints in the skillset repository.
    pub fn git(&self, repository: &str, args: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(self.path(repository))
            .args(args)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Verdict by backend.
pub fn verdicts(document: &Value) -> Vec<(String, String)> {
    document["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            (
                v["backend"].as_str().unwrap().to_owned(),
                v["verdict"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// Asserts a pass on each of the three backends, with evidence.
pub fn assert_all_pass(document: &Value) {
    for verdict in document["verdicts"].as_array().unwrap() {
        assert_eq!(verdict["verdict"], "pass", "{verdict:#}");
        let placement = &verdict["evidence"]["placement"];
        assert_eq!(
            placement["nodes"], placement["nodes_on_provider"],
            "{placement}"
        );
        assert!(
            !verdict["evidence"]["outputs"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        assert_ne!(verdict["evidence"]["isolation"], "none");
    }
    assert_eq!(
        document["verdicts"].as_array().unwrap().len(),
        3,
        "{document:#}"
    );
}

pub fn text(output: &Output) -> String {
    format!(
        "exit {:?}\nstdout: {}\nstderr: {}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The repository's root.
pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

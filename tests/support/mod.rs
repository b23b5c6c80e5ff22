//! What the end-to-end tests share: the real binary, the real environment, and a folder of their own.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used)]

pub mod documents;
pub mod processes;
pub mod toy;

use std::{
    path::{Path, PathBuf},
    process::Output,
    thread,
    time::{Duration, Instant},
};

use assert_cmd::Command;
use portwright_sandbox::environment::{Asked, Environment, Options};
use serde_json::Value;

/// Far beyond what anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(900);

/// The locked environment of this machine, built by the first test that asks.
pub fn environment() -> Environment {
    Environment::locked().unwrap()
}

/// The release of Transformers that is locked.
pub fn transformers() -> String {
    let spec = portwright_sandbox::environment::Spec::locked();
    spec.locked_version("transformers").unwrap().to_owned()
}

/// The folder in which this user's environments are kept.
pub fn cache() -> PathBuf {
    Options::new(Asked::default()).unwrap().cache_dir
}

/// Looks again and again until `look` finds what it looks for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
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
        let mut command = Command::new(binary());
        command
            .current_dir(self.root.path())
            .env_remove("RUST_LOG")
            // Settings of the user who runs the tests are not part of them.
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("NO_COLOR", "1");
        command
    }

    /// The binary by way of another program, such as a shell that sets limits first; `"$0"` is the binary.
    pub fn shell(&self, script: &str) -> Output {
        std::process::Command::new("sh")
            .args(["-c", script])
            .arg(binary())
            .current_dir(self.root.path())
            .env_remove("RUST_LOG")
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
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
        (output.status.code().unwrap(), json(&output))
    }

    /// Runs a plain Python script here, in the environment's Python and with no part of Portwright; answers with the
    /// last line it prints, for the libraries print what they like before.
    pub fn script(&self, code: &str, args: &[&str]) -> String {
        let output = std::process::Command::new(environment().python)
            .args(["-c", code])
            .args(args)
            .current_dir(self.root.path())
            .env("HF_HUB_OFFLINE", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().last().unwrap_or_default().to_owned()
    }

    /// What `git` prints in the skillset repository.
    pub fn git(&self, repository: &str, args: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(self.path(repository))
            .args([
                "-c",
                "user.name=Test",
                "-c",
                "user.email=test@example.invalid",
            ])
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

/// The program under test.
pub fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin("portwright")
}

/// A JSON document from stdout.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON document on stdout\n{}", text(output)))
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

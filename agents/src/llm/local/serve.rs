//! The child process that serves the local model.

use std::{
    fs::{self, File},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{CONTEXT, Files};
use crate::llm::{Endpoint, Key, LlmError};

const SCRIPT: &str = include_str!("serve.py");

/// Reading a gigabyte from a slow disk is meant to fit.
const PATIENCE: Duration = Duration::from_secs(300);

/// Variables that a Python and its libraries may need; the others, a key among them, are not the server's.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR"];

/// The running server. It ends when this is dropped, and when this process dies in any way: its standard input ends
/// then.
pub struct Server {
    endpoint: Endpoint,
    _child: Child,
}

impl Server {
    /// Starts the server and waits until it answers.
    pub async fn start(files: &Files) -> Result<Self, LlmError> {
        let failed = |why: String| LlmError::Local { why };
        let log = File::create(&files.log)
            .map_err(|error| failed(format!("{}: {error}", files.log.display())))?;
        let mut child = Command::new(&files.python)
            .args(["-I", "-c", SCRIPT])
            .arg(&files.weights)
            .arg(&files.name)
            .args([CONTEXT.to_string(), files.threads.to_string()])
            .env_clear()
            .envs(
                KEPT.iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            // Not where the user stands: what lies there may be anybody's.
            .current_dir("/")
            // Threads that spin while they wait make a busy machine ten times slower.
            .env("OMP_WAIT_POLICY", "passive")
            .env("GOMP_SPINCOUNT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed("it has no output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.ok()? {
                if let Some(address) = line.strip_prefix("READY ") {
                    return Some(address.to_owned());
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(Some(address)) => Ok(Self {
                endpoint: Endpoint::new(&format!("{address}/v1"), Key::default())?,
                _child: child,
            }),
            Ok(None) => Err(failed(format!("it ended early; {}", last_words(files)))),
            Err(_) => Err(failed(format!(
                "it was not ready within {} s; {}",
                PATIENCE.as_secs(),
                last_words(files)
            ))),
        }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

fn last_words(files: &Files) -> String {
    let log = fs::read_to_string(&files.log).unwrap_or_default();
    match log.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("its last words in {}: {line}", files.log.display()),
        None => format!("it said nothing in {}", files.log.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_ends_early_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            // It takes the script for a command that it does not know, says so and ends.
            python: "/bin/sh".into(),
            weights: folder.path().join("none"),
            name: "none".into(),
            threads: 1,
            log: folder.path().join("server.log"),
        };
        let error = Server::start(&files).await.err().unwrap();
        assert!(error.to_string().contains("server.log"), "{error}");
    }
}

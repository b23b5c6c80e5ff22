//! Starting a command in the cage from Rust.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::caged_main::CAGED;
use super::limits::{Limits, Outcome, Usage};
use super::watch::watch;
use crate::isolation::{CageError, Mode, Policy};

/// A command that runs in the cage, watched as a tree.
///
/// Its environment is empty but for what [`env`](Self::env) adds, its input is empty, and its working folder must be
/// one the policy lets it read.
#[derive(Debug)]
pub struct CagedCommand {
    launcher: PathBuf,
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    policy: Policy,
    limits: Limits,
}

/// How a caged command ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finished {
    /// Its end.
    pub outcome: Outcome,
    /// What its tree used.
    pub usage: Usage,
    /// The walls it stood behind.
    pub mode: Mode,
}

/// Why a caged command did not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The policy cannot be told to another process.
    #[error(transparent)]
    Policy(#[from] CageError),
    /// The files that tell the policy cannot be written.
    #[error("cannot prepare the cage: {0}")]
    Prepare(#[source] io::Error),
    /// The process that would have caged itself cannot be started.
    #[error("cannot start {}: {source}", launcher.display())]
    Launch {
        launcher: PathBuf,
        source: io::Error,
    },
    /// The cage was not entered; the reason carries its hint.
    #[error("{reason}")]
    Refused { reason: String },
    /// The command cannot be started inside the cage.
    #[error("cannot start inside the cage: {reason}")]
    NotStarted { reason: String },
    /// The watchdog failed; the tree was ended.
    #[error("cannot watch the job: {0}")]
    Watch(#[source] io::Error),
}

impl ProcessError {
    /// What the user can do about it.
    pub fn hint(&self) -> &str {
        match self {
            ProcessError::Policy(error) => error.hint(),
            ProcessError::Prepare(_) => "make room in the folder for temporary files (TMPDIR)",
            ProcessError::Launch { .. } => "reinstall portwright: its own program is missing",
            ProcessError::Refused { reason } => reason.split_once("\nhint: ").map_or(
                "run `portwright doctor` to see what this kernel allows",
                |(_, hint)| hint,
            ),
            ProcessError::NotStarted { .. } => {
                "check that the program exists and lies under a folder the job may read"
            }
            ProcessError::Watch(_) => {
                "run `portwright doctor`; the watchdog needs Linux 5.3 and a readable /proc"
            }
        }
    }
}

impl CagedCommand {
    /// A command to be started through `launcher`, a program whose `main` hands [`CAGED`] to
    /// [`caged_main`](super::caged_main): the running program itself.
    pub fn new(
        launcher: impl Into<PathBuf>,
        program: impl Into<OsString>,
        folder: impl Into<PathBuf>,
        policy: Policy,
    ) -> Self {
        Self {
            launcher: launcher.into(),
            program: program.into(),
            args: Vec::new(),
            environment: Vec::new(),
            folder: folder.into(),
            stdin: None,
            stdout: None,
            stderr: None,
            policy,
            limits: Limits::default(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds a variable to the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Where its input comes from, `/dev/null` unless set.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Where its output goes, `/dev/null` unless set. Give a file, or a pipe that somebody empties: it would stop at a full
    /// one.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Where its complaints go, `/dev/null` unless set.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// What its tree may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the command, watches it and waits for its end. Blocks its thread.
    pub fn run(self) -> Result<Finished, ProcessError> {
        let limits = self.limits;
        let folders = self.policy.write.clone();
        // Outside the work folder, so that the job cannot rewrite what is reported of it.
        let exchange = tempfile::Builder::new()
            .prefix("portwright-cage-")
            .tempdir()
            .map_err(ProcessError::Prepare)?;
        let report = exchange.path().join("report");
        let mut child = self.spawn(&exchange.path().join("policy"), &report)?;
        let watched = i32::try_from(child.id())
            .map_err(io::Error::other)
            .and_then(|pid| watch(pid, &limits, &folders));
        if watched.is_err() {
            // Unwatched it must not go on; its supervisor takes the tree along when asked to end.
            end_unwatched(&mut child);
        }
        let status = child.wait().map_err(ProcessError::Watch)?;
        let watched = watched.map_err(ProcessError::Watch)?;
        let outcome = Outcome::from_status(status, watched.breach);
        let mode = match read_report(&report).map_err(ProcessError::Prepare)? {
            Some(mode) => mode?,
            None => {
                let reason = format!("the job ended before it was caged ({outcome})");
                return Err(ProcessError::Refused { reason });
            }
        };
        Ok(Finished {
            outcome,
            usage: watched.usage,
            mode,
        })
    }

    fn spawn(mut self, policy: &Path, report: &Path) -> Result<Child, ProcessError> {
        self.policy.parent_pid = i32::try_from(std::process::id()).ok();
        std::fs::write(policy, self.policy.to_text()?).map_err(ProcessError::Prepare)?;
        let mut command = Command::new(&self.launcher);
        command
            .arg(CAGED)
            .arg(policy)
            .arg(report)
            .arg("--")
            .arg(&self.program)
            .args(&self.args);
        command
            .env_clear()
            .envs(self.environment)
            .current_dir(&self.folder)
            .stdin(self.stdin.unwrap_or_else(Stdio::null));
        command
            .stdout(self.stdout.unwrap_or_else(Stdio::null))
            .stderr(self.stderr.unwrap_or_else(Stdio::null));
        command.spawn().map_err(|source| ProcessError::Launch {
            launcher: self.launcher,
            source,
        })
    }
}

/// Asks a supervisor that cannot be watched to end its job.
fn end_unwatched(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // SAFETY: plain system call; the child is this process's own and not reaped, so its pid is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

/// What the other side wrote: nothing if it was ended first, the mode, or why there is none.
fn read_report(path: &Path) -> io::Result<Option<Result<Mode, ProcessError>>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Some(reason) = text.strip_prefix("refused\n") {
        return Ok(Some(Err(ProcessError::Refused {
            reason: reason.trim_end().to_owned(),
        })));
    }
    if let Some((_, reason)) = text.split_once("not started\n") {
        return Ok(Some(Err(ProcessError::NotStarted {
            reason: reason.trim_end().to_owned(),
        })));
    }
    Ok(text
        .strip_prefix("caged\n")
        .and_then(|mode| Mode::from_name(mode.trim_end()))
        .map(Ok))
}

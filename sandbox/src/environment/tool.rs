//! Runs uv, pip and Python for a build, and reads from their words what went wrong.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::{
    Options,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
};

/// How many of a failed tool's last lines are kept.
const TAIL_LINES: usize = 20;

/// Variables of the caller's shell that would bend a build towards another environment or another output form.
const REMOVED: [&str; 10] = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
];

/// What a tool that ended well has said.
pub(super) struct Said {
    pub stdout: String,
}

/// A tool that ended badly.
pub(super) struct Failure {
    pub status: String,
    /// The last lines of its output.
    pub tail: String,
}

/// A command with the search path and variables of `options`, away from any project's folder.
pub(super) fn command(program: &Path, options: &Options) -> Command {
    let mut command = Command::new(program);
    for name in REMOVED {
        command.env_remove(name);
    }
    command
        .env("PATH", &options.search_path)
        .env("NO_COLOR", "1")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .envs(options.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    // What lies in the folder the user stands in is about another project, and may be anybody's: a `uv.toml`, the version
    // file of a shim, a module that is called like one of the standard library.
    let away = if options.cache_dir.is_dir() {
        options.cache_dir.as_path()
    } else {
        Path::new("/")
    };
    command.current_dir(away);
    command
}

/// Runs a command to its end, handing each line of its standard error to `on_line`.
///
/// With a lock, the child holds it too: an orphan that still writes keeps the next build waiting.
pub(super) fn run(
    mut command: Command,
    lock: Option<&BuildLock>,
    on_line: &mut dyn FnMut(&str),
) -> Result<Result<Said, Failure>, EnvironmentError> {
    if let Some(lock) = lock {
        command.stdin(lock.as_stdin()?);
    }
    let program = command.get_program().to_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io_error("start", &program))?;
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        match stdout {
            Some(mut stdout) => stdout.read_to_end(&mut bytes).map(|_| bytes),
            None => Ok(bytes),
        }
    });
    let mut tail = Tail::default();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line.map_err(io_error("read the output of", &program))?;
            let line = String::from_utf8_lossy(&line);
            on_line(line.trim_end());
            tail.push(line.trim_end());
        }
    }
    let status = child.wait().map_err(io_error("wait for", &program))?;
    let stdout = match reader.join() {
        Ok(read) => read.map_err(io_error("read the output of", &program))?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(Ok(Said { stdout }));
    }
    // pip and venv explain some failures on standard output only.
    if tail.0.is_empty() {
        stdout.lines().for_each(|line| tail.push(line));
    }
    Ok(Err(Failure {
        status: status.to_string(),
        tail: tail.text(),
    }))
}

impl Failure {
    /// Turns a failure into the error that names its cure.
    pub fn into_error(
        self,
        step: &'static str,
        program: &'static str,
        folder: &Path,
    ) -> EnvironmentError {
        let output = self.tail;
        if has_any(&output, &DISK_FULL) {
            let folder = folder.to_owned();
            EnvironmentError::DiskFull {
                step,
                folder,
                output,
            }
        } else if has_any(&output, &HASH_MISMATCH) {
            EnvironmentError::HashMismatch { output }
        } else if has_any(&output, &OFFLINE) {
            EnvironmentError::Offline { step, output }
        } else {
            EnvironmentError::ToolFailed {
                step,
                program,
                status: self.status,
                output,
            }
        }
    }
}

const DISK_FULL: [&str; 3] = [
    "No space left on device",
    "os error 28",
    "Disk quota exceeded",
];
const HASH_MISMATCH: [&str; 3] = ["Hash mismatch", "DO NOT MATCH THE HASHES", "EINTEGRITY"];
const OFFLINE: [&str; 13] = [
    "ECONNREFUSED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "client error (Connect)",
    "dns error",
    "tcp connect error",
    "Connection refused",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "NewConnectionError",
    "operation timed out",
    "network was disabled",
    "(from versions: none)",
];

fn has_any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

/// The last lines of an output.
#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    fn text(self) -> String {
        Vec::from(self.0).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(tail: &str) -> EnvironmentError {
        let failure = Failure {
            status: "exit status: 2".into(),
            tail: tail.into(),
        };
        failure.into_error("installing packages", "uv", Path::new("/cache"))
    }

    #[test]
    fn a_disk_that_fills_up_is_recognised_in_the_words_of_uv() {
        let error = error_of(
            "error: Failed to install: pygments-2.21.0-py3-none-any.whl (pygments==2.21.0)\n  \
             cause: failed to copy file: No space left on device (os error 28)",
        );
        assert!(
            matches!(error, EnvironmentError::DiskFull { .. }),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_failure_keeps_the_last_lines() {
        let error = error_of("error: something new");
        assert!(error.to_string().contains("something new"), "{error}");
        assert!(error.to_string().contains("exit status: 2"), "{error}");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for number in 0..TAIL_LINES + 5 {
            tail.push(&format!("line {number}"));
        }
        let text = tail.text();
        assert!(text.starts_with("line 5\n"));
        assert_eq!(text.lines().count(), TAIL_LINES);
    }
}

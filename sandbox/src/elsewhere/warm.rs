//! A process of plain Python that has imported the libraries and nothing else, and computes each task in a copy of itself.
//!
//! A copy knows what a fresh interpreter would know after its imports. The tasks share a cage, so only types of the library are
//! given to it, on weights that Portwright drew: a folder's own code could wait for the next task.

use std::{
    fs,
    io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use portwright_core::job::{JobOutcome, JobReport};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LAST_LINE, Place, Plain, SCRIPT, Task, command, lay::lay, policy, run, written};
use crate::{backends::BackendError, process};

/// What stands in the place of the script's last line.
const SERVE: &str = include_str!("../../python/plain/serve.py");

/// Longer than any sweep takes.
const LONG: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a task that broke its own limits may still take to end.
const GRACE: Duration = Duration::from_secs(30);

/// The kept process, which is started with the first task.
#[derive(Default)]
pub struct Warm(Mutex<Option<Server>>);

struct Server {
    root: TempDir,
    requests: PipeWriter,
    answers: Receiver<String>,
    tasks: u64,
}

/// How a copy of the process ended, as it says itself: figures that describe, and rest on nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    code: i32,
    cpu: f64,
    peak: u64,
}

impl Warm {
    /// Computes a task, one after the other. Blocks its thread.
    pub fn run(&self, host: &Place, task: &Task) -> Result<Plain, BackendError> {
        if task.code.is_some() || !task.weights.is_empty() {
            return run(host, task);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = match kept.take() {
            Some(server) => server,
            None => Server::start(host, task)?,
        };
        match server.compute(task)? {
            Some(plain) => {
                *kept = Some(server);
                Ok(plain)
            }
            // The process is gone or does not answer: it ends with its pipes, and the task has one of its own.
            None => {
                tracing::warn!("the kept process of plain Python is gone; a fresh one is started");
                run(host, task)
            }
        }
    }
}

impl Server {
    fn start(host: &Place, task: &Task) -> Result<Self, BackendError> {
        let temporary = tempfile::Builder::new().prefix("tmp").tempdir();
        let root = temporary.map_err(|source| prepare(&std::env::temp_dir(), source))?;
        let made = root.path().canonicalize().and_then(|path| {
            std::os::unix::fs::symlink(&host.environment.root, path.join("venv"))?;
            fs::create_dir(path.join("work"))?;
            let script = path.join("main.py");
            fs::write(&script, SCRIPT.replace(LAST_LINE, SERVE))?;
            Ok((path, script, pipe()?, pipe()?))
        });
        let (path, script, (read, requests), (answers, write)) =
            made.map_err(|source| prepare(root.path(), source))?;
        let work = path.join("work");
        let limits = process::Limits {
            resident_bytes: task.limits.memory_bytes,
            disk_bytes: task.limits.disk_bytes,
            // Each task has its own limits of time, which it puts on itself before any model code runs.
            wall: LONG,
            cpu: LONG,
            ..process::Limits::default()
        };
        let policy = policy(host, &path, &work, task.limits);
        let command = command(host, &path, &script, &work, policy, task.threads)
            .stdin(read)
            .stdout(write)
            .limits(limits);
        thread::spawn(move || {
            if let Err(error) = command.run() {
                tracing::warn!("the kept process of plain Python ended: {error}");
            }
        });
        Ok(Server {
            root,
            requests,
            answers: lines(answers),
            tasks: 0,
        })
    }

    /// Nothing where the process is gone or does not answer in time.
    fn compute(&mut self, task: &Task) -> Result<Option<Plain>, BackendError> {
        self.tasks += 1;
        let root = self.root.path().canonicalize();
        let laid = root.and_then(|root| {
            let files = tempfile::Builder::new().prefix("task").tempdir_in(&root)?;
            let work = root.join("work").join(self.tasks.to_string());
            let mut told = lay(files.path(), &work, task)?;
            let log = work.join("log");
            told["log"] = json!(log);
            told["cpu"] = json!(task.limits.cpu.as_secs());
            told["wall"] = json!(task.limits.wall.as_secs());
            Ok((files, work, log, told))
        });
        let (files, work, log, told) = laid.map_err(|source| prepare(self.root.path(), source))?;
        let began = Instant::now();
        if writeln!(self.requests, "{told}").is_err() {
            return Ok(None);
        }
        let Ok(answer) = self.answers.recv_timeout(task.limits.wall + GRACE) else {
            return Ok(None);
        };
        let Ok(ended) = serde_json::from_str::<Ended>(&answer) else {
            return Ok(None);
        };
        let wall = began.elapsed().as_secs_f64();
        let outputs = (ended.code == 0).then(|| written(&work, task));
        let outcome = match ended.code {
            0 => JobOutcome::Done {
                result: Value::Null,
            },
            code if code < 0 => JobOutcome::TimedOut { seconds: wall },
            code => JobOutcome::Crashed {
                status: format!("exit code {code}"),
                log: crate::backends::tail(&log),
            },
        };
        let keeper = Keeper(work);
        Ok(Some(Plain {
            report: JobReport {
                outcome,
                peak_resident_bytes: ended.peak,
                wall_seconds: wall,
                // No more than one processor can give in that time.
                cpu_seconds: ended.cpu.clamp(0.0, wall * task.threads.max(1) as f64),
                isolation: String::new(),
            },
            outputs,
            _files: Box::new((files, keeper)),
        }))
    }
}

/// Removes the work folder of a task when its outputs are not needed any more: the next task finds nothing of it.
#[derive(Debug)]
struct Keeper(PathBuf);

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// The lines that come out of a pipe, read by a thread of their own until it ends.
fn lines(from: PipeReader) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

fn prepare(path: &Path, source: std::io::Error) -> BackendError {
    BackendError::Prepare {
        path: path.to_owned(),
        source,
    }
}

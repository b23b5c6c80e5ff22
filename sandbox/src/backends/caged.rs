//! A runtime in a caged process of its own, one for each attempt: it is handed a request in a file and leaves its answer in
//! the attempt's work folder. A crash or a hang costs that attempt.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use portwright_core::{
    Format, PortPlan,
    job::{Execution, Job, JobError, JobOutcome, JobReport, PROTOCOL},
};
use serde::{Deserialize, Serialize};

use super::{Attempt, BackendError};
use crate::{
    folder,
    isolation::{Policy, default_read_paths},
    pool::{JobRequest, Walls, out_of_disk},
    process::{Breach, CagedCommand, Finished, Outcome, Printed},
    tensor,
};

/// The file below the work folder that holds the answer.
pub const ANSWER: &str = "answer.json";

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: u64 = 1 << 20;

/// The most values of an answer.
const MOST_VALUES: usize = 200_000;

/// How much of the end of a log a report carries, in bytes.
const LOG_TAIL: u64 = 8 << 10;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub protocol: u32,
    pub job: Job,
    /// The runtime that it loads.
    pub library: PathBuf,
    pub work: PathBuf,
    pub tuning: Tuning,
    /// What the table says of the backend that a script has to know.
    pub backend: Facts,
    /// The provider's own library, where the runtime does not have it built in.
    pub plugin: Option<Plugin>,
}

/// What the table of backends says of one: the provider on which nodes are to be, and whether a session is to be made for each
/// combination of sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub provider: String,
    pub fixed_sizes: bool,
}

impl Facts {
    fn of(job: &Job) -> Self {
        match job {
            Job::Execute { backend, .. } | Job::Generate { backend, .. } => Self {
                provider: backend.spec().provider.clone(),
                fixed_sizes: backend.spec().fixed_sizes,
            },
            _ => Self::default(),
        }
    }
}

/// A provider in a library of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    pub library: PathBuf,
    pub version: String,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Ok(Execution),
    Error(JobError),
}

/// How a session of ONNX Runtime is set up, in whatever it runs, where the runtime's own choice is not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// `disable`, `basic`, `extended` or `all`.
    pub optimization: Option<String>,
    /// Threads within a node.
    pub threads: Option<usize>,
}

impl Tuning {
    /// What a plan asks for, with as many threads as a job may have.
    pub fn of(plan: &PortPlan, threads: usize) -> Self {
        let export = plan.export.get(&Format::Onnx);
        Self {
            optimization: export.and_then(|export| export.runtime_optimization.clone()),
            threads: Some(threads),
        }
    }
}

/// The program of a worker.
pub struct Program<'a> {
    /// A program whose `main` knows [`CAGED`](crate::process::CAGED): the running one.
    pub launcher: &'a Path,
    pub command: &'a Path,
    /// What it is given before the path of the request.
    pub arguments: Vec<OsString>,
    /// What it runs, where it is an interpreter.
    pub script: Option<Script<'a>>,
    /// The runtime that it loads.
    pub library: &'a Path,
    pub plugin: Option<Plugin>,
    /// What it has to read beside the request, the artefact and the inputs.
    pub readable: Vec<PathBuf>,
}

/// The files of a script, which are laid beside the request, and the one that is run.
pub struct Script<'a> {
    pub files: &'a [(&'a str, &'a str)],
    pub main: &'a str,
}

/// The other side of [`run`], in the worker's process: serves the request in the file at `path` with a function, and answers
/// with the process's exit code, which is 0 when an answer was written. An error of the function means that there is none.
pub(super) fn serve(path: &Path, serve: impl FnOnce(&Request) -> Result<Answer, String>) -> i32 {
    let request: Request = match fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
    {
        Ok(request) => request,
        Err(error) => {
            eprintln!("cannot read the request {}: {error}", path.display());
            return 2;
        }
    };
    let answer = match serve(&request) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("{error}");
            return 4;
        }
    };
    let written = serde_json::to_vec(&answer)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            fs::write(request.work.join(ANSWER), text).map_err(|error| error.to_string())
        });
    match written {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cannot write the answer: {error}");
            3
        }
    }
}

/// Runs a worker on one attempt. Blocks its thread.
pub fn run(
    program: &Program<'_>,
    walls: Walls,
    attempt: &Attempt,
) -> Result<JobReport, BackendError> {
    let prepare = |path: &Path| {
        let path = path.to_owned();
        move |source| BackendError::Prepare { path, source }
    };
    let JobRequest {
        job,
        work,
        readable,
        limits,
    } = &attempt.request;
    fs::create_dir_all(work).map_err(prepare(work))?;
    let work = work.canonicalize().map_err(prepare(work))?;
    // Not in the work folder: the worker may read what it is asked, and not rewrite it.
    let exchange = tempfile::Builder::new()
        .prefix("portwright-worker-")
        .tempdir()
        .map_err(prepare(&std::env::temp_dir()))?;
    let asked = exchange.path().join("request.json");
    let request = Request {
        protocol: PROTOCOL,
        job: job.clone(),
        library: program.library.to_owned(),
        work: work.clone(),
        tuning: attempt.tuning.clone(),
        backend: Facts::of(job),
        plugin: program.plugin.clone(),
    };
    fs::write(&asked, serde_json::to_vec(&request)?).map_err(prepare(&asked))?;
    let mut scripts = Vec::new();
    let log = exchange.path().join("log");
    let (printed, output) = Printed::piped(&log).map_err(prepare(&log))?;
    let errors = output.try_clone().map_err(prepare(&log))?;

    for (name, text) in program.script.iter().flat_map(|script| script.files) {
        let file = exchange.path().join(name);
        fs::write(&file, text).map_err(prepare(&file))?;
        scripts.push(file);
    }

    let mut policy = Policy::new().write(&work);
    policy.read = default_read_paths(&[] as &[&Path]);
    policy.read.extend(readable.iter().cloned());
    policy.read.extend(named_paths(job));
    policy
        .read
        .extend([program.command.to_owned(), asked.clone()]);
    policy.read.extend(program.readable.iter().cloned());
    policy.read.extend(scripts);
    policy.cpu_seconds = Some(limits.cpu.as_secs() + 1);
    policy.file_bytes = Some(limits.disk_bytes);
    policy.forbid_namespaces = walls == Walls::WithoutNamespaces;
    policy.allow_unprotected = walls == Walls::Optional;
    let mut command = CagedCommand::new(program.launcher, program.command, &work, policy);
    for argument in &program.arguments {
        command = command.arg(argument);
    }
    if let Some(script) = &program.script {
        command = command.arg(exchange.path().join(script.main));
    }
    let finished = command
        .arg(&asked)
        .env("HOME", &work)
        .env("TMPDIR", &work)
        .env("LC_ALL", "C.UTF-8")
        .stdout(output)
        .stderr(errors)
        .limits(limits.of_tree())
        .run();
    printed.finish().map_err(prepare(&log))?;
    let finished = finished?;
    if matches!(finished.outcome, Outcome::Breached(Breach::Disk(_))) {
        // Nobody looks at what is too much, and the next job needs the room.
        folder::empty(&work).map_err(prepare(&work))?;
    }
    Ok(report(&finished, &work, &log))
}

/// The files that the job is told to read; an artefact's weights can lie in files beside it.
fn named_paths(job: &Job) -> Vec<PathBuf> {
    let (artefacts, inputs, corners) = match job {
        Job::Execute {
            artefact,
            inputs,
            corners,
            ..
        } => (artefact.iter().collect(), inputs, corners.as_slice()),
        Job::Generate {
            artefact, inputs, ..
        } => {
            let both = artefact
                .iter()
                .flat_map(|both| [&both.prefill, &both.decode]);
            (both.collect::<Vec<_>>(), inputs, &[][..])
        }
        _ => return Vec::new(),
    };
    artefacts
        .into_iter()
        .filter_map(|main| Path::new(main).parent())
        .map(Path::to_owned)
        .chain(inputs.iter().chain(corners).map(PathBuf::from))
        .collect()
}

fn report(finished: &Finished, work: &Path, log: &Path) -> JobReport {
    JobReport {
        outcome: outcome(finished, work, log).bounded(MOST_VALUES),
        peak_resident_bytes: finished.usage.peak_resident_bytes,
        wall_seconds: finished.usage.wall.as_secs_f64(),
        cpu_seconds: finished.usage.cpu.as_secs_f64(),
        isolation: finished.mode.name().to_owned(),
    }
}

fn outcome(finished: &Finished, work: &Path, log: &Path) -> JobOutcome {
    if let Some(broken) = broken(finished, log) {
        return broken;
    }
    let crashed = |status: String| JobOutcome::Crashed {
        status,
        log: tail(log),
    };
    match answer(work) {
        Ok(Answer::Ok(execution)) => match serde_json::to_value(execution) {
            Ok(result) => JobOutcome::Done { result },
            Err(error) => crashed(format!("its answer is no JSON: {error}")),
        },
        Ok(Answer::Error(error)) => JobOutcome::Failed { error },
        Err(why) => crashed(why),
    }
}

/// How a caged process ended that did not end well; nothing for one that did.
pub(crate) fn broken(finished: &Finished, log: &Path) -> Option<JobOutcome> {
    let crashed = |status: String| JobOutcome::Crashed {
        status,
        log: tail(log),
    };
    Some(match finished.outcome {
        Outcome::Breached(Breach::OutOfMemory { peak, limit }) => JobOutcome::OutOfMemory {
            peak_bytes: peak,
            limit_bytes: limit,
        },
        Outcome::Breached(Breach::TimedOut { limit }) => JobOutcome::TimedOut {
            seconds: limit.as_secs_f64(),
        },
        Outcome::Breached(Breach::OutOfCpu { used, .. }) => JobOutcome::TimedOut {
            seconds: used.as_secs_f64(),
        },
        Outcome::Breached(breach @ Breach::TooManyProcesses { .. }) => crashed(breach.to_string()),
        Outcome::Breached(Breach::Disk(overrun)) => out_of_disk(&overrun),
        Outcome::Signalled(signal) => crashed(format!("signal {signal}")),
        Outcome::Exited(0) => return None,
        Outcome::Exited(code) => crashed(format!("exit code {code}")),
    })
}

fn answer(work: &Path) -> Result<Answer, String> {
    let (mut file, path, _) = tensor::open_plain(work, Path::new(ANSWER), LARGEST_ANSWER)
        .map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    file.by_ref()
        .take(LARGEST_ANSWER)
        .read_to_end(&mut text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// The end of a log; a log that cannot be read says so in its own place.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("the log cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{isolation::Mode, process::Usage};

    fn ended(outcome: Outcome) -> JobOutcome {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "it said this\n").unwrap();
        let finished = Finished {
            outcome,
            usage: Usage::default(),
            mode: Mode::None,
        };
        report(&finished, folder.path(), &log).outcome
    }

    #[test]
    fn a_signal_is_a_crash_with_its_last_words() {
        let JobOutcome::Crashed { status, log } = ended(Outcome::Signalled(11)) else {
            panic!("not a crash");
        };
        assert_eq!(status, "signal 11");
        assert!(log.contains("it said this"));
    }

    #[test]
    fn broken_limits_are_told_apart() {
        let memory = Breach::OutOfMemory { peak: 2, limit: 1 };
        assert!(matches!(
            ended(Outcome::Breached(memory)),
            JobOutcome::OutOfMemory { .. }
        ));
        let wall = Breach::TimedOut {
            limit: Duration::from_secs(1),
        };
        assert!(matches!(
            ended(Outcome::Breached(wall)),
            JobOutcome::TimedOut { .. }
        ));
    }

    #[test]
    fn an_exit_without_an_answer_is_a_crash() {
        assert!(matches!(
            ended(Outcome::Exited(0)),
            JobOutcome::Crashed { .. }
        ));
        assert!(matches!(
            ended(Outcome::Exited(2)),
            JobOutcome::Crashed { .. }
        ));
    }
}

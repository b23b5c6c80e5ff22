//! The reference once more, in a process that holds nothing of this program.
//!
//! Every other job runs in a process that was forked from a server with the worker's package in it, so that a model's code
//! can see where it is, and compute something else there. This one is a fresh interpreter with one short script in a
//! folder of no telling name. What it is given is put there first: the script, with its task as a text in it, the input
//! files, the modelling code, and the checkpoint where it is not the user's own. Nothing in its arguments, environment or
//! folders has the program's name, and nothing is on its module path but the environment's packages.
//!
//! Importing the libraries is most of what it costs. So a process that has done that, and nothing else, is kept for the types
//! of the library, and computes each in a copy of itself ([`Warm`]). Code of a folder gets an interpreter of its own.
//!
//! It stands in the cage all the same. So code can still see that it may not reach the network or the files of others,
//! and it can follow the link to the environment, which lies in a cache folder of this program's name.

mod lay;
mod warm;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use portwright_core::{
    PortPlan,
    job::{JobOutcome, JobReport},
};
use serde_json::Value;

use crate::{
    backends::{self, BackendError},
    environment::Environment,
    isolation::{Policy, default_read_paths},
    judge::{InputSet, OutputError, Outputs},
    pool::{Limits, Walls},
    process::{self, CagedCommand},
};

use lay::lay;
pub use warm::Warm;

const SCRIPT: &str = include_str!("../../python/plain/main.py");

/// The script's last line, with the place of its task.
const LAST_LINE: &str = "main(json.loads(TASK))  # noqa: F821";

/// The folder that the first inputs' second outputs lie in, below the work folder.
const AGAIN: &str = "again";

/// What is computed.
#[derive(Clone, Debug)]
pub struct Task {
    pub plan: PortPlan,
    /// The modelling code and the configuration of a local folder, by file name; nothing for a type of the library.
    pub code: Option<BTreeMap<String, String>>,
    pub checkpoint: PathBuf,
    /// The user's files that links in the checkpoint's folder lead to.
    pub weights: Vec<PathBuf>,
    /// The folder of the inputs' files.
    pub inputs: PathBuf,
    /// The sets that are computed, the first of them once more at the end.
    pub sets: Vec<InputSet>,
    pub threads: usize,
    pub limits: Limits,
}

/// Where the process is started.
#[derive(Clone, Debug)]
pub struct Place {
    pub environment: Environment,
    /// A program whose `main` knows [`CAGED`](crate::process::CAGED): the running one.
    pub launcher: PathBuf,
    pub walls: Walls,
}

/// How the process ended, and what it wrote.
#[derive(Debug)]
pub struct Plain {
    pub report: JobReport,
    /// The outputs on each set; nothing where the process did not end well.
    pub outputs: Option<Result<Written, OutputError>>,
    /// Holds the files of the outputs.
    _files: Box<dyn std::fmt::Debug + Send>,
}

/// Outputs that a process wrote.
#[derive(Debug)]
pub struct Written {
    pub outputs: Outputs,
    /// Those of the first set, computed once more after all others.
    pub again: Outputs,
}

/// Runs the process to its end. Blocks its thread.
pub fn run(host: &Place, task: &Task) -> Result<Plain, BackendError> {
    let temporary = tempfile::Builder::new().prefix("tmp").tempdir();
    let folder = temporary.map_err(|source| BackendError::Prepare {
        path: std::env::temp_dir(),
        source,
    })?;
    // The walls are built on real paths.
    let root = folder.path().canonicalize();
    let laid = root.and_then(|root| {
        symlink(&host.environment.root, root.join("venv"))?;
        let (work, log) = (root.join("work"), root.join("log"));
        let told = lay(&root, &work, task)?;
        // A JSON text twice over is a string of Python as well.
        let text = serde_json::to_string(&told.to_string())?;
        let script = root.join("main.py");
        let last = format!("main(json.loads({text}))");
        fs::write(&script, SCRIPT.replace(LAST_LINE, &last))?;
        Ok((root, script, work, log))
    });
    let (root, script, work, log) = laid.map_err(|source| BackendError::Prepare {
        path: folder.path().to_owned(),
        source,
    })?;
    let output = |path: &Path| {
        File::create(path).map_err(|source| BackendError::Prepare {
            path: path.to_owned(),
            source,
        })
    };
    let output = output(&log)?;
    let errors = output.try_clone().map_err(|source| BackendError::Prepare {
        path: log.clone(),
        source,
    })?;
    let mut policy = policy(host, &root, &work, task.limits);
    policy.read.extend(task.weights.iter().cloned());
    let finished = command(host, &root, &script, &work, policy, task.threads)
        .stdout(output)
        .stderr(errors)
        .limits(process::Limits {
            resident_bytes: task.limits.memory_bytes,
            wall: task.limits.wall,
            cpu: task.limits.cpu,
            disk_bytes: task.limits.disk_bytes,
            ..process::Limits::default()
        })
        .run()?;
    let broken = backends::broken(&finished, &log);
    let outputs = broken.is_none().then(|| written(&work, task));
    Ok(Plain {
        report: JobReport {
            outcome: broken.unwrap_or(JobOutcome::Done {
                result: Value::Null,
            }),
            peak_resident_bytes: finished.usage.peak_resident_bytes,
            wall_seconds: finished.usage.wall.as_secs_f64(),
            cpu_seconds: finished.usage.cpu.as_secs_f64(),
            isolation: finished.mode.name().to_owned(),
        },
        outputs,
        _files: Box::new(folder),
    })
}

/// What the process may read and write, but for the files of the user.
fn policy(host: &Place, root: &Path, work: &Path, limits: Limits) -> Policy {
    let mut policy = Policy::new().read(root).write(work);
    policy
        .read
        .extend(default_read_paths(&host.environment.readable));
    policy.cpu_seconds = Some(limits.cpu.as_secs() + 1);
    policy.file_bytes = Some(limits.disk_bytes);
    policy.forbid_namespaces = host.walls == Walls::WithoutNamespaces;
    policy.allow_unprotected = host.walls == Walls::Optional;
    policy
}

/// A fresh interpreter that runs a script, in surroundings that say nothing of this program.
fn command(
    host: &Place,
    root: &Path,
    script: &Path,
    work: &Path,
    policy: Policy,
    threads: usize,
) -> CagedCommand {
    CagedCommand::new(&host.launcher, root.join("venv/bin/python"), work, policy)
        .arg("-I")
        .arg(script)
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("USER", "user")
        .env("HOME", work)
        .env("TMPDIR", work)
        .env("OMP_NUM_THREADS", threads.max(1).to_string())
}

/// The outputs in a work folder.
fn written(work: &Path, task: &Task) -> Result<Written, OutputError> {
    Ok(Written {
        outputs: Outputs::open(work, &task.sets)?,
        again: Outputs::open(&work.join(AGAIN), &task.sets[..task.sets.len().min(1)])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_one_place_for_its_task_and_nothing_of_this_program() {
        assert_eq!(SCRIPT.matches(LAST_LINE).count(), 1);
        assert_eq!(SCRIPT.matches("TASK").count(), 1);
        assert!(!SCRIPT.to_lowercase().contains("portwright"));
    }
}

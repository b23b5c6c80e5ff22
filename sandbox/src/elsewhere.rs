//! The reference once more, in a process that holds nothing of this program.
//!
//! Every other job runs in a process that was forked from a server with the worker's package in it, so that a model's code
//! can see where it is, and compute something else there. This one is a fresh interpreter with one short script in a
//! folder of no telling name. What it is given is put there first: the script, with its task as a text in it, the input
//! files, the modelling code, and the checkpoint where it is not the user's own. Nothing in its arguments, environment or
//! folders has the program's name, and nothing is on its module path but the environment's packages.
//!
//! It stands in the cage all the same. So code can still see that it may not reach the network or the files of others,
//! and it can follow the link to the environment, which lies in a cache folder of this program's name.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use portwright_core::{
    PortPlan,
    job::{JobOutcome, JobReport},
};
use serde_json::{Value, json};

use crate::{
    backends::{BackendError, onnxruntime},
    environment::Environment,
    isolation::{Policy, default_read_paths},
    judge::{InputSet, OUTPUTS_FOLDER, OutputError, Outputs},
    pool::{Limits, Walls},
    process::{self, CagedCommand},
};

const SCRIPT: &str = include_str!("../python/plain/main.py");

/// Where the script's task is put.
const PLACE_OF_TASK: &str = "json.loads(TASK))  # noqa: F821";

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
    _folder: tempfile::TempDir,
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
    let laid = root.and_then(|root| Ok((lay(&root, host, task)?, root)));
    let ((script, work, log), root) = laid.map_err(|source| BackendError::Prepare {
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
    let mut policy = Policy::new().read(&root).write(&work);
    policy
        .read
        .extend(default_read_paths(&host.environment.readable));
    policy.read.extend(task.weights.iter().cloned());
    policy.cpu_seconds = Some(task.limits.cpu.as_secs() + 1);
    policy.file_bytes = Some(task.limits.disk_bytes);
    policy.forbid_namespaces = host.walls == Walls::WithoutNamespaces;
    policy.allow_unprotected = host.walls == Walls::Optional;
    let finished = CagedCommand::new(&host.launcher, root.join("venv/bin/python"), &work, policy)
        .arg("-I")
        .arg(&script)
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("USER", "user")
        .env("HOME", &work)
        .env("TMPDIR", &work)
        .env("OMP_NUM_THREADS", task.threads.max(1).to_string())
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
    let broken = onnxruntime::broken(&finished, &log);
    let outputs = broken.is_none().then(|| {
        Ok(Written {
            outputs: Outputs::open(&work, &task.sets)?,
            again: Outputs::open(&work.join(AGAIN), &task.sets[..task.sets.len().min(1)])?,
        })
    });
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
        _folder: folder,
    })
}

/// Puts everything in its place below `root`; answers with the script, the work folder and the log.
fn lay(root: &Path, host: &Place, task: &Task) -> io::Result<(PathBuf, PathBuf, PathBuf)> {
    symlink(&host.environment.root, root.join("venv"))?;
    let work = root.join("work");
    fs::create_dir_all(work.join(OUTPUTS_FOLDER))?;
    fs::create_dir_all(work.join(AGAIN).join(OUTPUTS_FOLDER))?;
    let checkpoint = place(&task.checkpoint, &root.join("model"), &task.weights)?;
    let code = task.code.as_ref().map(|_| root.join("code"));
    if let (Some(folder), Some(files)) = (&code, &task.code) {
        fs::create_dir_all(folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
    }
    let inputs = root.join("inputs");
    fs::create_dir_all(&inputs)?;
    let mut files = Vec::new();
    for set in &task.sets {
        let name = set.file_name();
        put(&task.inputs.join(&name), &inputs.join(&name))?;
        files.push((inputs.join(&name), work.join(OUTPUTS_FOLDER).join(&name)));
    }
    let again = files.first().and_then(|(_, written)| written.file_name());
    let again = again.map(|name| work.join(AGAIN).join(OUTPUTS_FOLDER).join(name));
    let plan = &task.plan;
    let told = json!({
        "module": plan.module,
        "class": plan.class,
        "config_class": plan.config_class,
        "config_module": plan.config_module,
        "methods": plan.methods,
        "session": plan.session,
        "call": plan.call,
        "seed": plan.weights.seed,
        "threads": task.threads.max(1),
        "checkpoint": checkpoint,
        "code": code,
        "files": files,
        "again": again,
    });
    // A JSON text twice over is a string of Python as well.
    let text = serde_json::to_string(&told.to_string())?;
    let script = root.join("main.py");
    fs::write(
        &script,
        SCRIPT.replace(PLACE_OF_TASK, &format!("json.loads({text}))")),
    )?;
    Ok((script, work, root.join("log")))
}

/// A checkpoint's plain files in another folder, and links to the user's own weights: their place has no telling name.
fn place(from: &Path, to: &Path, weights: &[PathBuf]) -> io::Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_file() {
            put(&entry.path(), &to.join(&name))?;
        } else if kind.is_symlink() {
            let leads_to = fs::read_link(entry.path())?;
            if weights.contains(&leads_to) {
                symlink(leads_to, to.join(&name))?;
            }
        }
    }
    Ok(to.to_owned())
}

/// A file under another path: the same one where that can be, or else a copy.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_one_place_for_its_task_and_nothing_of_this_program() {
        assert_eq!(SCRIPT.matches(PLACE_OF_TASK).count(), 1);
        assert_eq!(SCRIPT.matches("TASK").count(), 1);
        assert!(!SCRIPT.to_lowercase().contains("portwright"));
    }
}

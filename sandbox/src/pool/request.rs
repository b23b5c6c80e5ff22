//! A job with the folder it works in and what it may use.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use portwright_core::job::{Job, ModelSource};

use crate::{isolation::Policy, process};

/// The most processes and threads that the kernel grants a job in a user namespace of its own.
const MOST_TASKS: u64 = 512;

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resident memory of the whole process tree.
    pub memory_bytes: u64,
    /// Time on the clock.
    pub wall: Duration,
    /// CPU time of the whole process tree.
    pub cpu: Duration,
    /// What its files may take of the disk together; no file may be larger.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            wall: Duration::from_secs(600),
            cpu: Duration::from_secs(1200),
            disk_bytes: 8 << 30,
        }
    }
}

impl Limits {
    /// The same for the watchdog.
    pub(crate) fn of_tree(&self) -> process::Limits {
        process::Limits {
            resident_bytes: self.memory_bytes,
            wall: self.wall,
            cpu: self.cpu,
            disk_bytes: self.disk_bytes,
            ..process::Limits::default()
        }
    }
}

/// A job to run.
#[derive(Clone, Debug)]
pub struct JobRequest {
    pub job: Job,
    /// The folder it may write; created where it is absent. Nothing else may be written.
    pub work: PathBuf,
    /// What it may read beside the interpreter, its work folder and the paths that the job names itself.
    pub readable: Vec<PathBuf>,
    pub limits: Limits,
}

impl JobRequest {
    /// The most bytes that the job may answer with. An answer is measurements and names, kept in the ledger as it is;
    /// only what the library shows of itself is long.
    pub(super) fn most_answered(&self) -> u64 {
        match self.job {
            Job::Catalogue | Job::Introspect { .. } => 8 << 20,
            _ => 1 << 20,
        }
    }

    /// The policy under which the job runs, given the work folder's real path.
    pub(super) fn policy(&self, base: &Policy, work: &Path) -> Policy {
        let mut policy = base.clone().write(work);
        policy.read.extend(self.readable.iter().cloned());
        policy.read.extend(named_paths(&self.job));
        // The kernel counts each process by itself, in whole seconds; the watchdog counts the tree.
        policy.cpu_seconds = Some(self.limits.cpu.as_secs() + 1);
        policy.file_bytes = Some(self.limits.disk_bytes);
        // The watchdog counts processes too, but only the kernel is faster than a fork bomb.
        policy.processes = Some(MOST_TASKS);
        policy
    }
}

/// The files and folders that a job is told to read.
fn named_paths(job: &Job) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    match job {
        Job::Catalogue => {}
        Job::Introspect { source, .. } | Job::Materialise { source, .. } => {
            paths.extend(folder(source))
        }
        Job::Reference {
            source,
            checkpoint,
            inputs,
            corners,
            ..
        } => {
            paths.extend(folder(source));
            paths.push(checkpoint.into());
            paths.extend(inputs.iter().chain(corners).map(PathBuf::from));
        }
        Job::BuildGeneration {
            source,
            checkpoint,
            inputs,
            ..
        }
        | Job::Generate {
            source,
            checkpoint,
            inputs,
            ..
        } => {
            paths.extend(folder(source));
            paths.push(checkpoint.into());
            paths.extend(inputs.iter().map(PathBuf::from));
        }
        Job::Build {
            skillset,
            checkpoint,
            onnx,
            ..
        } => {
            paths.extend([skillset.into(), checkpoint.into()]);
            // Its weights can lie in files beside it.
            paths.extend(
                onnx.iter()
                    .filter_map(|main| Path::new(main).parent())
                    .map(Path::to_path_buf),
            );
        }
        Job::Execute {
            skillset,
            artefact,
            checkpoint,
            inputs,
            corners,
            ..
        } => {
            paths.extend(skillset.iter().map(PathBuf::from));
            // An artefact's weights can lie in files beside it.
            paths.extend(
                artefact
                    .iter()
                    .filter_map(|main| Path::new(main).parent())
                    .map(Path::to_path_buf),
            );
            paths.push(checkpoint.into());
            paths.extend(inputs.iter().chain(corners).map(PathBuf::from));
        }
        Job::Diverge {
            source,
            checkpoint,
            artefact,
            inputs,
            ..
        } => {
            paths.extend(folder(source));
            paths.extend(Path::new(artefact).parent().map(Path::to_path_buf));
            paths.push(checkpoint.into());
            paths.extend(inputs.iter().map(PathBuf::from));
        }
        Job::Pytest { skillset } => paths.push(skillset.into()),
    }
    paths
}

fn folder(source: &ModelSource) -> Option<PathBuf> {
    match source {
        ModelSource::Library => None,
        ModelSource::Folder { path } => Some(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Backend;

    use super::*;

    #[test]
    fn a_job_may_read_what_it_names_and_write_its_work_folder_only() {
        let request = JobRequest {
            job: Job::Execute {
                backend: Backend::OPENVINO,
                skillset: None,
                artefact: Some("/made/model.xml".into()),
                checkpoint: "/checkpoint".into(),
                inputs: vec!["/inputs/1.safetensors".into()],
                corners: vec!["/inputs/2.safetensors".into()],
                repeats: 1,
                reloads: 0,
            },
            work: "/work".into(),
            readable: vec!["/more".into()],
            limits: Limits::default(),
        };
        let policy = request.policy(&Policy::new().read("/python"), Path::new("/real/work"));
        let read: Vec<_> = policy
            .read
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            read,
            [
                "/python",
                "/more",
                "/made",
                "/checkpoint",
                "/inputs/1.safetensors",
                "/inputs/2.safetensors"
            ]
        );
        assert_eq!(policy.write, [PathBuf::from("/real/work")]);
    }
}

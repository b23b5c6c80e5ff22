//! How the Python server is started: which interpreter, which environment, which walls.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::{error::WorkerError, package};
use crate::isolation::{self, Policy, default_read_paths};

/// `-I` keeps the user's own packages and variables out; `-B` because the environment is shared and read-only to jobs.
const START: &str = "import sys; sys.path.insert(0, sys.argv[1]); from portwright_worker.server import main; main()";

/// Which walls jobs stand behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Walls {
    /// The strongest the kernel grants; where it grants too little, jobs are refused.
    #[default]
    Required,
    /// Landlock and seccomp only, as on kernels that refuse user namespaces.
    WithoutNamespaces,
    /// `--no-sandbox`: without any where the kernel has none.
    Optional,
}

/// Where the workers come from.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// The environment's interpreter.
    pub python: PathBuf,
    /// The environment's folders, which every job may read.
    pub readable: Vec<PathBuf>,
    /// Where the Python package and the cage library are unpacked; shared by runs.
    pub cache: PathBuf,
    /// Where the server and its jobs write their logs.
    pub logs: PathBuf,
    /// Threads of a job's numerical libraries.
    pub threads: usize,
    pub walls: Walls,
}

/// What a started server needs to be told with each job.
#[derive(Debug)]
pub(super) struct Launched {
    pub child: Child,
    pub cage: Option<PathBuf>,
    pub policy: Policy,
    pub log: PathBuf,
}

impl WorkersConfig {
    pub(super) fn launch(&self, number: u64) -> Result<Launched, WorkerError> {
        let prepare = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WorkerError::Prepare { path, source }
        };
        let package = package::unpack(&self.cache).map_err(prepare(&self.cache))?;
        let cage = match isolation::library(&self.cache) {
            Ok(path) => Some(path),
            Err(isolation::LibraryError::Unsupported) if self.walls == Walls::Optional => None,
            Err(error) => return Err(error.into()),
        };
        fs::create_dir_all(&self.logs).map_err(prepare(&self.logs))?;
        let log = self
            .logs
            .join(format!("server-{}-{number}.log", std::process::id()));
        let file = fs::File::create(&log).map_err(prepare(&log))?;
        let child = Command::new(&self.python)
            .args(["-I", "-B", "-X", "utf8", "-c", START])
            .arg(&package)
            .env_clear()
            .envs(environment(self.threads))
            // Not where the user stands: what lies there may be anybody's, and the libraries are imported outside of the
            // cage.
            .current_dir(&self.cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            // Not in the terminal's group: an interrupt is for the program, which then ends its workers in order.
            .process_group(0)
            .spawn()
            .map_err(|source| WorkerError::Launch {
                python: self.python.clone(),
                source,
            })?;
        let mut policy = self.policy(&package);
        policy.parent_pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Launched {
            child,
            cage,
            policy,
            log,
        })
    }

    /// What every job may read. The package too: a job imports its own kind's file after it is locked in.
    fn policy(&self, package: &Path) -> Policy {
        let mut policy = Policy::new();
        policy.read = default_read_paths(&self.readable);
        policy.read.push(package.to_path_buf());
        policy.forbid_namespaces = self.walls == Walls::WithoutNamespaces;
        policy.allow_unprotected = self.walls == Walls::Optional;
        policy
    }
}

/// The whole environment of the server and its jobs. Nothing is passed on: a token in a variable is no job's business.
fn environment(threads: usize) -> Vec<(&'static str, String)> {
    let mut variables: Vec<(&'static str, String)> = [
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        // A name for libraries that ask for one; the list of users is not readable.
        ("USER", "portwright"),
        // The server writes nothing at home; each job gets a home of its own.
        ("HOME", "/nonexistent"),
        // OpenVINO then reports no usage, from a thread that would make forking unsafe.
        ("CI", "true"),
        ("HF_HUB_OFFLINE", "1"),
        ("TRANSFORMERS_OFFLINE", "1"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
        // NumPy's pool would start with the import, and a fork copies only one thread.
        ("OPENBLAS_NUM_THREADS", "1"),
        // Threads that spin while they wait take the processor from the ones that work.
        ("OMP_WAIT_POLICY", "PASSIVE"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    variables.push(("OMP_NUM_THREADS", threads.max(1).to_string()));
    variables
}

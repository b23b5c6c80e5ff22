//! The pool itself: runs a job on the server there is, and gets another server where the old one died.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portwright_core::job::JobReport;
use tokio::sync::{Mutex, oneshot};

use super::{
    error::WorkerError,
    follow::{self, Followed},
    launch::WorkersConfig,
    outcome, package,
    protocol::{Request, to_line},
    request::JobRequest,
    server::Server,
};
use crate::{
    folder,
    process::{Breach, Printed, Watched},
};

/// The Python workers. Cheap to make: the server starts with the first job, or with [`Workers::start`].
///
/// Dropping it ends the server and every job.
#[derive(Debug)]
pub struct Workers {
    config: WorkersConfig,
    server: Mutex<Option<Arc<Server>>>,
    servers: AtomicU64,
    jobs: AtomicU64,
}

impl Workers {
    pub fn new(config: WorkersConfig) -> Self {
        Self {
            config,
            server: Mutex::new(None),
            servers: AtomicU64::new(0),
            jobs: AtomicU64::new(0),
        }
    }

    /// Names the worker's code; part of the identity of whatever it makes.
    pub fn code_digest() -> String {
        package::digest()
    }

    /// Starts the server unless it is there already; returns the versions of the libraries it imported.
    pub async fn start(&self) -> Result<BTreeMap<String, String>, WorkerError> {
        Ok(self.server().await?.versions.clone())
    }

    /// Runs a job to its end. Several may run at once; dropping the future ends the job.
    pub async fn run(&self, request: &JobRequest) -> Result<JobReport, WorkerError> {
        let work = prepare(&request.work)?;
        let server = self.server().await?;
        // The process id keeps the logs of two runs apart.
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", std::process::id());
        let log = self.config.logs.join(format!("job-{id}.log"));
        let pipe = log.with_extension("pipe");
        let prepare = |source| WorkerError::Prepare {
            path: log.clone(),
            source,
        };
        let printed = Printed::named(&pipe, &log).map_err(prepare)?;

        let policy = request.policy(&server.policy, &work).to_text()?;
        let message = Request::new(
            &id,
            &request.job,
            text(&work)?,
            &policy,
            server.cage.as_deref().map(text).transpose()?,
            text(&pipe)?,
            request.most_answered(),
        );
        let line = to_line(&message)?;
        let server_log = server.log.clone();
        // Dropped with this future, which ends the job.
        let (_wanted, abandoned) = oneshot::channel();
        let limits = request.limits.of_tree();
        let following = follow::job(server, id, line, limits, work.clone(), printed, abandoned);
        // A task of its own: whoever still waits, the job is watched to its end, released and reaped.
        let followed = tokio::spawn(following).await;
        let report = match followed {
            Ok(Ok(Followed::Ended(watched, exited))) => {
                if matches!(watched.breach, Some(Breach::Disk(_))) {
                    // Nobody looks at what is too much, and the next job needs the room.
                    folder::empty(&work)
                        .map_err(|source| WorkerError::Prepare { path: work, source })?;
                }
                outcome::report(&request.job, &watched, exited, &log)
            }
            Ok(Ok(Followed::Refused(error))) => Err(WorkerError::Refused(error)),
            // The server died before it had forked the job.
            Ok(Ok(Followed::NotStarted)) => {
                outcome::report(&request.job, &Watched::default(), None, &server_log)
            }
            Ok(Err(error)) => Err(WorkerError::Watch(error)),
            Err(gone) => Err(WorkerError::Watch(std::io::Error::other(gone))),
        };
        Printed::forget_if_empty(&log).map_err(prepare)?;
        report
    }

    /// Ends the server and every job.
    pub async fn shutdown(&self) {
        if let Some(server) = self.server.lock().await.take() {
            server.close().await;
        }
    }

    async fn server(&self) -> Result<Arc<Server>, WorkerError> {
        let mut current = self.server.lock().await;
        if let Some(server) = current.as_ref()
            && !server.is_dead()
        {
            return Ok(Arc::clone(server));
        }
        if current.take().is_some() {
            tracing::warn!("the Python worker died; starting another");
        }
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let server = Arc::new(Server::start(&self.config, number).await?);
        *current = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// Makes the work folder and returns its real path: what the walls are built on.
fn prepare(work: &Path) -> Result<PathBuf, WorkerError> {
    fs::create_dir_all(work)
        .and_then(|()| work.canonicalize())
        .map_err(|source| WorkerError::Prepare {
            path: work.to_path_buf(),
            source,
        })
}

fn text(path: &Path) -> Result<&str, WorkerError> {
    path.to_str().ok_or_else(|| WorkerError::Prepare {
        path: path.to_path_buf(),
        source: std::io::Error::other("the path is not UTF-8; choose another folder"),
    })
}

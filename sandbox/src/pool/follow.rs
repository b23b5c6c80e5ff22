//! One job from its request to its end.

use std::{io, path::PathBuf, sync::Arc};

use tokio::{sync::oneshot, task::spawn_blocking};

use super::{
    protocol::{self, Event, Exited},
    server::Server,
};
use crate::process::{self, Printed, Watched};

/// What became of a request.
pub(super) enum Followed {
    /// What the watchdog saw, and what the server says of the end, where it lived to say it.
    Ended(Watched, Option<Exited>),
    /// The server says that this is no request.
    Refused(String),
    /// The server died before it had forked the job.
    NotStarted,
}

/// Sends the request and follows the job to its end, with what it prints, or ends it when `abandoned` says that nobody waits any more.
pub(super) async fn job(
    server: Arc<Server>,
    id: String,
    request: Vec<u8>,
    limits: process::Limits,
    work: PathBuf,
    printed: Printed,
    mut abandoned: oneshot::Receiver<()>,
) -> io::Result<Followed> {
    let mut events = server.listen(&id);
    server.send(&request).await;
    let pid = match events.recv().await {
        Some(Event::Started { pid, .. }) => pid,
        Some(Event::Refused { error, .. }) => return Ok(Followed::Refused(error)),
        Some(_) | None => return Ok(Followed::NotStarted),
    };
    let mut watch = spawn_blocking(move || process::watch(pid, &limits, &[work]));
    let watched = tokio::select! {
        watched = &mut watch => watched,
        _ = &mut abandoned => {
            end(pid).await?;
            watch.await
        }
    };
    let watched = watched.map_err(io::Error::other).flatten();
    if watched.is_err() {
        // Nothing runs that nobody watches.
        end(pid).await?;
    }
    spawn_blocking(move || printed.finish())
        .await
        .map_err(io::Error::other)
        .flatten()?;
    server.send(&protocol::release(&id)).await;
    let exited = match events.recv().await {
        Some(Event::Exited(exited)) => Some(exited),
        _ => None,
    };
    watched.map(|watched| Followed::Ended(watched, exited))
}

/// Ends a job's tree. Its pid is its own: the server reaps it only when it is released.
async fn end(pid: i32) -> io::Result<()> {
    spawn_blocking(move || process::end_tree(pid))
        .await
        .map_err(io::Error::other)
        .flatten()
}

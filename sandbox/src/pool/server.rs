//! One running server: its process, the jobs it has in flight, and the task that reads what it says.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    sync::{Mutex as AsyncMutex, mpsc},
};

use super::{
    error::WorkerError,
    launch::{Launched, WorkersConfig},
    outcome::tail,
    protocol::Event,
};
use crate::isolation::Policy;
use portwright_core::job::PROTOCOL;

type Listeners = HashMap<String, mpsc::UnboundedSender<Event>>;

/// A server that is ready for jobs, or was until it died.
#[derive(Debug)]
pub(super) struct Server {
    pub versions: BTreeMap<String, String>,
    pub cage: Option<PathBuf>,
    pub policy: Policy,
    pub log: PathBuf,
    requests: AsyncMutex<Option<ChildStdin>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Who waits for the events of a job, by its id.
    listeners: Mutex<Listeners>,
    dead: AtomicBool,
}

impl Server {
    /// Starts a server and waits until it has imported its libraries.
    pub async fn start(config: &WorkersConfig, number: u64) -> Result<Self, WorkerError> {
        let Launched {
            mut child,
            cage,
            policy,
            log,
        } = config.launch(number)?;
        let not_ready = |reason: String| WorkerError::NotReady {
            reason,
            log: log.clone(),
        };
        let (Some(requests), Some(events)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(not_ready("its streams are closed".to_owned()));
        };
        let mut events = BufReader::new(events);
        let mut line = String::new();
        let read = events.read_line(&mut line).await;
        let versions = match serde_json::from_str(&line) {
            Ok(Event::Ready {
                protocol: PROTOCOL,
                versions,
            }) => versions,
            Ok(Event::Ready { protocol, .. }) => {
                return Err(not_ready(format!(
                    "it speaks protocol {protocol}, not {PROTOCOL}"
                )));
            }
            _ if read.is_ok() && line.is_empty() => {
                let last = tail(&log).unwrap_or_default();
                let last = last.lines().rev().find(|line| !line.trim().is_empty());
                return Err(not_ready(format!("it said: {}", last.unwrap_or("nothing"))));
            }
            _ => return Err(not_ready(format!("its first line was `{}`", line.trim()))),
        };
        let state = Arc::new(State::default());
        tokio::spawn(listen(child, events, Arc::clone(&state)));
        Ok(Self {
            versions,
            cage,
            policy,
            log,
            requests: AsyncMutex::new(Some(requests)),
            state,
        })
    }

    pub fn is_dead(&self) -> bool {
        self.state.dead.load(Ordering::Acquire)
    }

    /// Subscribes to the events of a job; the channel ends when the server dies.
    pub fn listen(&self, id: &str) -> mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut listeners = self.state.lock();
        // Checked under the lock: the reading task sets it before it takes the lock to drop every sender.
        if !self.is_dead() {
            listeners.insert(id.to_owned(), sender);
        }
        receiver
    }

    /// Writes a line. A server that is gone is no error here: its listeners learn of it.
    pub async fn send(&self, line: &[u8]) {
        if let Some(requests) = self.requests.lock().await.as_mut()
            && let Err(error) = requests.write_all(line).await
        {
            tracing::debug!(%error, "the Python worker takes no more requests");
        }
    }

    /// Asks the server to end; it ends its jobs first.
    pub async fn close(&self) {
        self.requests.lock().await.take();
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Listeners> {
        // A poisoned map is still a map.
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn dispatch(&self, event: Event) {
        let id = match &event {
            Event::Ready { .. } => return,
            Event::Started { id, .. } => id.clone(),
            Event::Exited(exited) => exited.id.clone(),
            Event::Refused { id: Some(id), .. } => id.clone(),
            Event::Refused { id: None, error } => {
                tracing::error!(%error, "the Python worker could not read a request");
                return;
            }
        };
        let mut listeners = self.lock();
        if let Some(listener) = listeners.get(&id) {
            let last = !matches!(event, Event::Started { .. });
            // Whoever asked may have gone away.
            let _ = listener.send(event);
            if last {
                listeners.remove(&id);
            }
        }
    }
}

/// Passes on what a server says until it dies, then reaps it.
async fn listen(mut child: Child, mut events: BufReader<ChildStdout>, state: Arc<State>) {
    let mut line = String::new();
    loop {
        line.clear();
        match events.read_line(&mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => match serde_json::from_str(&line) {
                Ok(event) => state.dispatch(event),
                Err(error) => {
                    // Nobody but the server can write here: it is broken, and so are its jobs.
                    tracing::error!(%error, "the Python worker spoke nonsense");
                    break;
                }
            },
        }
    }
    state.dead.store(true, Ordering::Release);
    state.lock().clear();
    // At its end it has closed its streams itself; a broken one is ended.
    if let Err(error) = child.kill().await {
        tracing::debug!(%error, "the Python worker was gone already");
    }
}

//! The pool of Python workers: a fork server with the heavy libraries imported, and one caged process per job.
//!
//! [`Workers::run`] hands a job to the server, has the watchdog follow the process tree that the server forks for
//! it, and turns what came of it into a [`JobReport`](portwright_core::job::JobReport). The server runs nothing that
//! nobody has read; if something kills it all the same, the jobs in flight have crashed and the next one gets a new
//! server.
//!
//! What deliberately does not happen here: retries, and any judgement of an answer.

mod error;
mod follow;
mod launch;
mod outcome;
mod package;
mod protocol;
mod request;
mod server;
mod workers;

pub use error::WorkerError;
pub use launch::{Walls, WorkersConfig};
pub(crate) use outcome::out_of_disk;
pub use package::{DECOMPOSED, SPELLED, WHOLE};
pub use request::{JobRequest, Limits};
pub use workers::Workers;

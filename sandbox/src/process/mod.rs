//! Processes that run jobs: started in the cage, watched as a tree, ended as a tree.
//!
//! A job is known by its *supervisor* (see [`crate::isolation`]): the process that entered the cage. Whoever forked it,
//! [`watch`] follows everything below it and ends it all when a limit is broken. Rust starts a job with
//! [`CagedCommand`]; for one that the Python fork server forked, [`watch`] takes the pid.

mod caged_main;
mod command;
mod disk;
mod limits;
mod printed;
mod tree;
#[cfg_attr(not(target_os = "linux"), path = "watch_unsupported.rs")]
mod watch;

pub use caged_main::{CAGED, caged_main};
pub use command::{CagedCommand, Finished, ProcessError};
pub use disk::{DEEPEST, Taken, measure};
pub use limits::{Breach, Limits, Outcome, Overrun, Usage};
pub use printed::{KEPT, Printed};
pub(crate) use tree::resident_bytes_of_tree;
pub use watch::{Watched, end_tree, watch};

//! The watchdog where there is no `/proc`: it keeps the time and nothing else. Such systems have no cage either, so
//! only jobs that the user runs with `--no-sandbox` come here.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::limits::{Breach, Limits, Usage};

const LOOK: Duration = Duration::from_millis(20);

/// What came of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watched {
    /// The limit that was broken, for which the job was ended.
    pub breach: Option<Breach>,
    /// What the job used: only the time is known here.
    pub usage: Usage,
}

/// Waits until the process has ended or its time is up. Somebody else must reap it.
pub fn watch(supervisor: i32, limits: &Limits, _folders: &[PathBuf]) -> io::Result<Watched> {
    let start = Instant::now();
    let mut watched = Watched::default();
    // SAFETY: signal 0 only asks whether the process is there.
    while unsafe { libc::kill(supervisor, 0) } == 0 {
        watched.usage.wall = start.elapsed();
        if watched.usage.wall >= limits.wall {
            watched.breach = Some(Breach::TimedOut { limit: limits.wall });
            end_tree(supervisor)?;
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(watched)
}

/// Ends the process.
pub fn end_tree(supervisor: i32) -> io::Result<()> {
    // SAFETY: plain system call.
    if unsafe { libc::kill(supervisor, libc::SIGKILL) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

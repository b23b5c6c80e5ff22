//! What a job may use, what it used, and how it ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What a job's process tree may use, supervisor and namespace init not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resident memory of the whole tree, in bytes (see [`Usage::peak_resident_bytes`]).
    pub resident_bytes: u64,
    /// Time on the clock.
    pub wall: Duration,
    /// CPU time of the whole tree, processes that have ended included.
    pub cpu: Duration,
    /// Processes alive at one time.
    pub processes: usize,
    /// What its files take of the disk, in bytes (see [`measure`](super::measure)).
    pub disk_bytes: u64,
    /// Files and folders.
    pub files: usize,
}

impl Limits {
    /// What holds where nothing else is asked for.
    pub const DEFAULT: Self = Self {
        resident_bytes: 4 << 30,
        wall: Duration::from_secs(600),
        cpu: Duration::from_secs(1200),
        processes: 128,
        disk_bytes: 8 << 30,
        files: 50_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a job's process tree used, as seen by looking every few milliseconds: a shorter burst is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// The largest resident memory of the tree. It is the sum over the processes of the resident set (`VmRSS`), which
    /// counts a page that two of them share twice. Where that sum is above the limit, the proportional set (`Pss`)
    /// is summed instead, which counts it once, so sharing alone never breaks the limit. Pages that a job shares with
    /// the fork server it came from are in the first figure: they are what the job would need without the server.
    pub peak_resident_bytes: u64,
    /// The most processes alive at one time.
    pub peak_processes: usize,
    /// CPU time of the tree.
    pub cpu: Duration,
    /// From the beginning of the watch to the end of the tree.
    pub wall: Duration,
}

/// The limit that a job broke; its tree was killed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Time on the clock.
    TimedOut { limit: Duration },
    /// CPU time.
    OutOfCpu { used: Duration, limit: Duration },
    /// Resident memory.
    OutOfMemory { peak: u64, limit: u64 },
    /// Processes.
    TooManyProcesses { count: usize, limit: usize },
    /// What it left on the disk.
    Disk(Overrun),
}

/// What of a job's files is more than it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// Their size.
    Bytes { taken: u64, limit: u64 },
    /// Their number.
    Files { count: usize, limit: usize },
    /// How deep its folders lie in each other.
    Deep { limit: usize },
    /// A folder that nobody can look into: what it holds cannot be counted.
    Hidden,
}

impl fmt::Display for Overrun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overrun::Bytes { taken, limit } => write!(
                formatter,
                "its files have {} MiB, more than the {} MiB they may",
                taken >> 20,
                limit >> 20
            ),
            Overrun::Files { count, limit } => write!(
                formatter,
                "it has {count} files and folders, more than the {limit} it may"
            ),
            Overrun::Deep { limit } => {
                write!(
                    formatter,
                    "its folders lie more than {limit} deep in each other"
                )
            }
            Overrun::Hidden => write!(formatter, "a folder of it cannot be looked into"),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::TimedOut { limit } => write!(formatter, "it ran longer than {limit:?}"),
            Breach::OutOfCpu { used, limit } => {
                write!(
                    formatter,
                    "it used {used:?} of CPU time, more than the {limit:?} it may"
                )
            }
            Breach::OutOfMemory { peak, limit } => {
                let mebibytes = |bytes: &u64| bytes >> 20;
                write!(
                    formatter,
                    "its processes held {} MiB of memory, more than the {} MiB they may",
                    mebibytes(peak),
                    mebibytes(limit)
                )
            }
            Breach::TooManyProcesses { count, limit } => {
                write!(
                    formatter,
                    "it had {count} processes, more than the {limit} it may"
                )
            }
            Breach::Disk(overrun) => overrun.fmt(formatter),
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// By the watchdog, for a broken limit.
    Breached(Breach),
}

impl Outcome {
    /// Reads the exit code of a supervisor, which tells a signal as 128 plus its number. A breach outranks it: the code
    /// then only tells of the kill.
    pub fn from_code(code: i32, breach: Option<Breach>) -> Self {
        match (breach, code) {
            (Some(breach), _) => Outcome::Breached(breach),
            (None, 129..=192) => Outcome::Signalled(code - 128),
            (None, code) => Outcome::Exited(code),
        }
    }

    /// The same for an exit status, also of a supervisor that was itself killed.
    pub fn from_status(status: ExitStatus, breach: Option<Breach>) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::from_code(code, breach),
            (None, signal) => Self::from_code(128 + signal.unwrap_or(0), breach),
        }
    }

    /// Whether the job came to its own end and said that all went well. What it says is not a verdict.
    pub fn is_success(&self) -> bool {
        *self == Outcome::Exited(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exited(code) => write!(formatter, "it exited with code {code}"),
            Outcome::Signalled(signal) => write!(formatter, "it was ended by signal {signal}"),
            Outcome::Breached(breach) => breach.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_told_from_an_exit() {
        assert_eq!(Outcome::from_code(0, None), Outcome::Exited(0));
        assert_eq!(Outcome::from_code(3, None), Outcome::Exited(3));
        assert_eq!(Outcome::from_code(139, None), Outcome::Signalled(11));
        assert_eq!(Outcome::from_code(255, None), Outcome::Exited(255));
    }

    #[test]
    fn a_broken_limit_outranks_the_kill_that_followed() {
        let breach = Breach::TimedOut {
            limit: Duration::from_secs(1),
        };
        assert_eq!(
            Outcome::from_code(143, Some(breach)),
            Outcome::Breached(breach)
        );
    }

    #[test]
    fn a_killed_supervisor_counts_as_a_killed_job() {
        assert_eq!(
            Outcome::from_status(ExitStatus::from_raw(9), None),
            Outcome::Signalled(9)
        );
    }
}

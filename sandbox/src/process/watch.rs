//! The watchdog: follows a job's process tree and ends it when a limit is broken.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::limits::{Breach, Limits, Usage};
use super::tree::{Proc, Process};

/// How often the tree is looked at. A job that fills memory as fast as it can passes its limit by some 100 MB before
/// the next look.
const LOOK: Duration = Duration::from_millis(20);

/// How long a supervisor may take to end its tree before the watchdog does it over its head.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watched {
    /// The limit that was broken, for which the tree was ended.
    pub breach: Option<Breach>,
    /// What the tree used.
    pub usage: Usage,
}

/// Follows the tree below `supervisor` until the supervisor has ended, and ends it when it breaks a limit. What it has
/// left in `folders`, those that it may write, is measured now and then and once more at its end.
///
/// Blocks its thread; an async caller runs it on one that may block. The caller need not be the supervisor's parent,
/// but somebody must reap it only after the watch has begun, so that its pid is not another process's by then. A
/// supervisor that is gone already has used nothing. How it ended is for its parent to read (see
/// [`Outcome`](super::Outcome::from_code)).
pub fn watch(supervisor: i32, limits: &Limits, folders: &[PathBuf]) -> io::Result<Watched> {
    let mut disk = Disk::new(folders);
    let Some(handle) = Handle::open(supervisor)? else {
        return Ok(Watched {
            breach: disk.look(&[], limits).map(Breach::Disk),
            ..Watched::default()
        });
    };
    let start = Instant::now();
    let mut tree = Tree::new(supervisor);
    let mut watched = Watched::default();
    loop {
        let sample = tree.look(limits.resident_bytes);
        let usage = &mut watched.usage;
        usage.peak_resident_bytes = usage.peak_resident_bytes.max(sample.resident_bytes);
        usage.peak_processes = usage.peak_processes.max(sample.processes);
        usage.cpu = usage.cpu.max(sample.cpu);
        usage.wall = start.elapsed();
        watched.breach = breach(usage, limits)
            .or_else(|| disk.look_in_turn(&sample.pids, limits).map(Breach::Disk));
        if watched.breach.is_some() {
            handle.end_tree()?;
            return Ok(watched);
        }
        if handle.ended_within(LOOK.min(limits.wall.saturating_sub(start.elapsed())))? {
            // Its parent has perhaps not reaped it yet, and then its line tells the CPU time of all it waited for.
            watched.usage.cpu = watched.usage.cpu.max(tree.supervisor_cpu());
            watched.usage.wall = start.elapsed();
            watched.breach = disk.look(&[], limits).map(Breach::Disk);
            return Ok(watched);
        }
    }
}

/// Ends a job: everything below its supervisor, then the supervisor. Returns when the supervisor is gone.
pub fn end_tree(supervisor: i32) -> io::Result<()> {
    match Handle::open(supervisor)? {
        Some(handle) => handle.end_tree(),
        None => Ok(()),
    }
}

/// Checked in the order in which the word helps most: a fork bomb also eats CPU, memory and time.
fn breach(usage: &Usage, limits: &Limits) -> Option<Breach> {
    if usage.peak_processes > limits.processes {
        Some(Breach::TooManyProcesses {
            count: usage.peak_processes,
            limit: limits.processes,
        })
    } else if usage.peak_resident_bytes > limits.resident_bytes {
        Some(Breach::OutOfMemory {
            peak: usage.peak_resident_bytes,
            limit: limits.resident_bytes,
        })
    } else if usage.cpu > limits.cpu {
        Some(Breach::OutOfCpu {
            used: usage.cpu,
            limit: limits.cpu,
        })
    } else if usage.wall >= limits.wall {
        Some(Breach::TimedOut { limit: limits.wall })
    } else {
        None
    }
}

/// The tree at one moment.
struct Sample {
    resident_bytes: u64,
    processes: usize,
    cpu: Duration,
    /// The job's processes.
    pids: Vec<i32>,
}

/// What is remembered of a tree between looks.
struct Tree {
    proc: Proc,
    supervisor: i32,
    /// Whether a child of the supervisor is the trusted init of the job's namespace; asked once per child.
    inits: HashMap<i32, bool>,
    page_bytes: u64,
    ticks_per_second: u64,
}

impl Tree {
    fn new(supervisor: i32) -> Self {
        let configured = |name| {
            // SAFETY: asks a constant of the system and touches no memory.
            u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0)
        };
        Self {
            proc: Proc::default(),
            supervisor,
            inits: HashMap::new(),
            page_bytes: configured(libc::_SC_PAGESIZE).max(1),
            ticks_per_second: configured(libc::_SC_CLK_TCK).max(1),
        }
    }

    fn look(&mut self, limit: u64) -> Sample {
        let sample = self.look_once(limit);
        if sample.resident_bytes <= limit {
            return sample;
        }
        // The processes are read one after the other: while some of them fork or end, what they share can be counted
        // under each. A job that is really above its limit is so again a moment later.
        let again = self.look_once(limit);
        let resident_bytes = again.resident_bytes.min(sample.resident_bytes);
        Sample {
            resident_bytes,
            processes: again.processes.max(sample.processes),
            cpu: again.cpu,
            pids: again.pids,
        }
    }

    fn look_once(&mut self, limit: u64) -> Sample {
        let everyone = self.proc.descendants(self.supervisor);
        let ticks: u64 = everyone.iter().map(|process| process.ticks).sum();
        let cpu = self.time(ticks) + self.supervisor_cpu();
        let job: Vec<&Process> = everyone
            .iter()
            .filter(|process| !process.dead && !self.is_init(process))
            .collect();
        let mut resident_bytes: u64 = job.iter().map(|process| self.resident_bytes(process)).sum();
        if resident_bytes > limit {
            resident_bytes = job.iter().map(|process| self.own_share(process.pid)).sum();
        }
        Sample {
            resident_bytes,
            processes: job.len(),
            cpu,
            pids: job.iter().map(|process| process.pid).collect(),
        }
    }

    fn resident_bytes(&self, process: &Process) -> u64 {
        if process.dead {
            0
        } else {
            process.resident_pages * self.page_bytes
        }
    }

    /// What a process holds, shared pages divided among those that share them. One that has ended meanwhile holds
    /// nothing; one that hides its maps is taken by the larger figure.
    fn own_share(&self, pid: i32) -> u64 {
        self.proc.proportional_bytes(pid).unwrap_or_else(|| {
            self.proc
                .process(pid)
                .map_or(0, |process| self.resident_bytes(&process))
        })
    }

    fn is_init(&mut self, process: &Process) -> bool {
        // Only the supervisor's own code forks the init, so no process further down can pass for one.
        process.parent == self.supervisor
            && *self
                .inits
                .entry(process.pid)
                .or_insert_with(|| self.proc.is_namespace_init(process.pid))
    }

    /// The time of the supervisor itself and of all that it has reaped.
    fn supervisor_cpu(&self) -> Duration {
        self.proc
            .process(self.supervisor)
            .map_or(Duration::ZERO, |process| self.time(process.ticks))
    }

    fn time(&self, ticks: u64) -> Duration {
        Duration::from_millis(ticks * 1000 / self.ticks_per_second)
    }
}

/// A process held by descriptor, so that its pid cannot come to mean another.
struct Handle {
    pid: i32,
    fd: OwnedFd,
}

impl Handle {
    /// `None` when there is no such process any more.
    fn open(pid: i32) -> io::Result<Option<Self>> {
        // SAFETY: plain system call.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        match i32::try_from(fd) {
            Ok(fd) if fd >= 0 => {
                // SAFETY: the kernel just made this descriptor for us.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                Ok(Some(Self { pid, fd }))
            }
            _ => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() == Some(libc::ESRCH) {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Waits for the process to end; says whether it has.
    fn ended_within(&self, time: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fd = libc::pollfd {
                fd: self.fd.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // Rounded up, or the last fraction of a millisecond would spin.
            let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
            // SAFETY: `fd` is one live element.
            let ready = unsafe { libc::poll(&raw mut fd, 1, milliseconds) };
            if ready >= 0 {
                return Ok(ready > 0);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    fn signal(&self, signal: i32) {
        // A process that has ended meanwhile is what every caller wants.
        // SAFETY: plain system call on an open descriptor, without further information.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
                0,
                0,
            )
        };
    }

    /// Asks the supervisor, which inherits whatever is orphaned and so ends all of it, and does it itself if the
    /// supervisor does not. The supervisor goes last: without it the rest would be nobody's.
    fn end_tree(&self) -> io::Result<()> {
        self.signal(libc::SIGTERM);
        if self.ended_within(PATIENCE)? {
            return Ok(());
        }
        let proc = Proc::default();
        loop {
            let living: Vec<i32> = proc
                .descendants(self.pid)
                .iter()
                .filter(|process| !process.dead)
                .map(|process| process.pid)
                .collect();
            for pid in &living {
                // SAFETY: plain system call. The pid was read a moment ago from below a living supervisor.
                unsafe { libc::kill(*pid, libc::SIGKILL) };
            }
            if living.is_empty() {
                self.signal(libc::SIGKILL);
            }
            if self.ended_within(LOOK)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        resident_bytes: 1000,
        wall: Duration::from_secs(10),
        cpu: Duration::from_secs(10),
        processes: 10,
        ..Limits::DEFAULT
    };
    const WITHIN: Usage = Usage {
        peak_resident_bytes: 1000,
        peak_processes: 10,
        cpu: Duration::from_secs(10),
        wall: Duration::from_secs(9),
    };

    #[test]
    fn a_job_at_its_limits_goes_on() {
        assert_eq!(breach(&WITHIN, &LIMITS), None);
    }

    #[test]
    fn each_limit_is_told_by_its_name() {
        let late = Usage {
            wall: LIMITS.wall,
            ..WITHIN
        };
        assert_eq!(
            breach(&late, &LIMITS),
            Some(Breach::TimedOut { limit: LIMITS.wall })
        );
        let cpu = Duration::from_secs(11);
        let busy = Usage { cpu, ..WITHIN };
        assert_eq!(
            breach(&busy, &LIMITS),
            Some(Breach::OutOfCpu {
                used: cpu,
                limit: LIMITS.cpu
            })
        );
        let large = Usage {
            peak_resident_bytes: 1001,
            ..WITHIN
        };
        assert_eq!(
            breach(&large, &LIMITS),
            Some(Breach::OutOfMemory {
                peak: 1001,
                limit: 1000
            })
        );
        let many = Usage {
            peak_processes: 11,
            ..WITHIN
        };
        assert_eq!(
            breach(&many, &LIMITS),
            Some(Breach::TooManyProcesses {
                count: 11,
                limit: 10
            })
        );
    }

    #[test]
    fn a_supervisor_that_is_gone_has_used_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(
            watch(child.id() as i32, &LIMITS, &[]).unwrap(),
            Watched::default()
        );
    }
}

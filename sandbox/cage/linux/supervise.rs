//! The trusted processes around a job: the supervisor outside, and inside own namespaces an init.

use std::ffi::{c_int, c_void};

use super::super::CageError;
use super::sys::{self, PollFd, SignalSet, check};
use super::syscalls;

const WNOHANG: c_int = 1;
const POLLIN: i16 = 1;
const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;
const SFD_CLOEXEC_NONBLOCK: c_int = 0o2004000;
const SIGINFO_LEN: usize = 128;

/// How often the parent is looked at where the kernel cannot tell of its death.
const LOOK_MS: c_int = 200;

/// Blocks every signal and returns the mask that was.
pub fn block_signals() -> Result<SignalSet, CageError> {
    let mut all = SignalSet([0; 16]);
    let mut old = SignalSet([0; 16]);
    // SAFETY: both sets are live and as large as the C library's.
    let blocked = unsafe {
        sys::sigfillset(&raw mut all);
        // A parent that ignores SIGCHLD would have the job reaped before its status is read.
        sys::signal(sys::SIGCHLD, 0);
        sys::sigprocmask(SIG_BLOCK, &raw const all, &raw mut old)
    };
    check(blocked, "block signals").map(|_| old)
}

/// Puts a mask back.
pub fn restore_signals(mask: &SignalSet) -> Result<(), CageError> {
    // SAFETY: the set is live and as large as the C library's.
    check(
        unsafe { sys::sigprocmask(SIG_SETMASK, mask, std::ptr::null_mut()) },
        "restore signals",
    )
    .map(|_| ())
}

/// A descriptor that becomes readable when the process ends; `None` where the kernel has none to give.
pub fn watch_process(pid: c_int) -> Option<c_int> {
    // SAFETY: plain system call.
    let fd = unsafe { sys::syscall(syscalls::PIDFD_OPEN, pid, 0 as c_int) };
    c_int::try_from(fd).ok().filter(|fd| *fd >= 0)
}

/// How a supervisor reaches all that its job has started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The child is the init of the job's pid namespace: killed, it takes all of it along.
    Init,
    /// Signals of this process reach its descendants only, so it may send one to everybody. The kernel does that in one
    /// go, in which nothing can fork.
    Everybody,
    /// Neither: descendants are looked up and killed until none is left.
    Lookup,
}

/// Stays behind as the supervisor of `job` and exits as it did, once nothing that it started is left.
pub fn supervise(job: c_int, reach: Reach, parent: c_int, parent_fd: Option<c_int>) -> ! {
    let code = supervise_until_end(job, reach, parent, parent_fd).unwrap_or_else(|error| {
        // Nobody reads a return value here; the message goes where the job's own would.
        eprintln!("portwright job supervisor: {error}");
        end_everything(job, reach);
        128 + sys::SIGKILL
    });
    // SAFETY: leaves without running handlers of the process this one was forked from.
    unsafe { sys::_exit(code) }
}

fn supervise_until_end(
    job: c_int,
    reach: Reach,
    parent: c_int,
    parent_fd: Option<c_int>,
) -> Result<c_int, CageError> {
    sys::close_all_but(parent_fd.as_slice())?;
    // SAFETY: changes a flag of this process; from here on nobody unprivileged reads its memory.
    let hidden = unsafe { sys::prctl(sys::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    check(hidden, "hide the supervisor")?;
    let mut wanted = SignalSet([0; 16]);
    // SAFETY: the set is live and as large as the C library's; the signals are blocked already.
    let signals = unsafe {
        sys::sigemptyset(&raw mut wanted);
        for signal in [
            sys::SIGCHLD,
            sys::SIGTERM,
            sys::SIGINT,
            sys::SIGHUP,
            sys::SIGQUIT,
        ] {
            sys::sigaddset(&raw mut wanted, signal);
        }
        sys::signalfd(-1, &raw const wanted, SFD_CLOEXEC_NONBLOCK)
    };
    check(signals, "listen for signals")?;
    loop {
        if let Some(code) = reap(job) {
            end_everything(job, reach);
            return Ok(code);
        }
        let mut fds = [
            PollFd {
                fd: signals,
                events: POLLIN,
                revents: 0,
            },
            PollFd {
                fd: parent_fd.unwrap_or(-1),
                events: POLLIN,
                revents: 0,
            },
        ];
        let timeout = if parent_fd.is_some() { -1 } else { LOOK_MS };
        // SAFETY: `fds` is live for the call and has two elements.
        let ready = unsafe { sys::poll(fds.as_mut_ptr(), 2, timeout) };
        if ready < 0 && sys::errno() != sys::EINTR {
            return Err(sys::failed("wait for the job"));
        }
        // SAFETY: cannot fail and touches no memory.
        if fds[1].revents != 0 || unsafe { sys::getppid() } != parent {
            end_everything(job, reach);
            return Ok(128 + sys::SIGKILL);
        }
        if let Some(signal) = next_signal(signals, sys::SIGCHLD) {
            end_everything(job, reach);
            return Ok(128 + signal);
        }
    }
}

/// Takes the pending signals off the queue and returns the first that is not `uninteresting`.
fn next_signal(fd: c_int, uninteresting: c_int) -> Option<c_int> {
    let mut information = [0_u32; SIGINFO_LEN / 4];
    let mut found = None;
    // SAFETY: the buffer is live and as large as one record; the descriptor does not block.
    while unsafe { sys::read(fd, information.as_mut_ptr().cast::<c_void>(), SIGINFO_LEN) }
        == SIGINFO_LEN as isize
    {
        let signal = information[0] as c_int;
        if signal != uninteresting {
            found = found.or(Some(signal));
        }
    }
    found
}

/// Reaps every child that has ended. Returns the exit code to repeat once the job is among them.
fn reap(job: c_int) -> Option<c_int> {
    let mut code = None;
    let mut status = 0;
    loop {
        // SAFETY: `status` is live for the call.
        match unsafe { sys::waitpid(-1, &raw mut status, WNOHANG) } {
            pid if pid == job => code = Some(exit_code(status)),
            pid if pid > 0 => {}
            _ => return code,
        }
    }
}

/// An exit status as a shell would tell it: the code, or 128 plus the signal.
fn exit_code(status: c_int) -> c_int {
    let signal = status & 0x7f;
    if signal == 0 {
        (status >> 8) & 0xff
    } else {
        128 + signal
    }
}

/// Kills every descendant until none is left. As the subreaper this process inherits the children of each one killed,
/// so nothing gets away; with own namespaces the kernel kills all with their init.
fn end_everything(job: c_int, reach: Reach) {
    // SAFETY: cannot fail and touches no memory.
    let own = unsafe { sys::getpid() };
    let mut status = 0;
    loop {
        // SAFETY: `status` is live for the call.
        let reaped = unsafe { sys::waitpid(-1, &raw mut status, WNOHANG) };
        if reaped > 0 {
            continue;
        }
        if reaped < 0 && sys::errno() != sys::EINTR {
            return;
        }
        let targets = match reach {
            Reach::Init => vec![job],
            Reach::Everybody => vec![-1],
            Reach::Lookup => descendants(own),
        };
        for pid in &targets {
            // SAFETY: a signal to a descendant. Its pid cannot be another's by now: a child of this process is not
            // reaped between the look and here, and one that is gone is not an error. `Everybody` is chosen only
            // after the kernel has confined this process's signals to its descendants.
            unsafe { sys::kill(*pid, sys::SIGKILL) };
        }
        if !targets.is_empty() {
            // SAFETY: `status` is live. Every child was just killed, so one of them ends and the wait is short.
            unsafe { sys::waitpid(-1, &raw mut status, 0) };
        }
    }
}

/// Every descendant, from one look at `/proc`.
fn descendants(root: c_int) -> Vec<c_int> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let processes: Vec<(c_int, c_int)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<c_int>().ok())
        .filter_map(|pid| {
            Some((
                pid,
                field(
                    &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?,
                    1,
                )?,
            ))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            processes
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// How many threads a user runs, this process's included.
pub fn threads_of(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|metadata| metadata.uid() == user)
        })
        .filter_map(|entry| {
            field::<u64>(
                &std::fs::read_to_string(entry.path().join("stat")).ok()?,
                17,
            )
        })
        .sum()
}

/// A number in a line of `/proc/PID/stat`, counted from behind the name; the name before it may hold anything,
/// closing brackets included.
fn field<N: std::str::FromStr>(stat: &str, index: usize) -> Option<N> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(index)?
        .parse()
        .ok()
}

/// Stays behind as the init of the job's pid namespace: reaps what the job orphans, and exits as the job did, with
/// which the kernel kills all that is left in the namespace.
pub fn be_init(job: c_int) -> ! {
    // SAFETY: changes a flag of this process: the job, which runs as the same user, must not read its memory.
    unsafe { sys::prctl(sys::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // An open descriptor here would only keep a pipe from closing a moment longer; the exit follows the job's.
    let _ = sys::close_all_but(&[]);
    let mut status = 0;
    loop {
        // SAFETY: `status` is live for the call.
        let pid = unsafe { sys::waitpid(-1, &raw mut status, 0) };
        if pid == job || (pid < 0 && sys::errno() != sys::EINTR) {
            // SAFETY: leaves without running handlers of the process this one was forked from.
            unsafe { sys::_exit(exit_code(status)) }
        }
    }
}

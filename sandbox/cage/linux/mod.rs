//! The cage on Linux: the order in which the walls go up.

mod landlock;
mod namespaces;
mod root;
mod seccomp;
mod supervise;
mod sys;
mod syscalls;
mod table;

use std::ffi::{c_int, c_void};

use super::{CageError, Mode, Policy};
use root::Root;
use seccomp::Surroundings;
use supervise::Reach;
use sys::{Rlimit, SignalSet, check};

const RLIMIT_CPU: c_int = 0;
const RLIMIT_FSIZE: c_int = 1;
const RLIMIT_CORE: c_int = 4;
const RLIMIT_NPROC: c_int = 6;
const RLIMIT_NOFILE: c_int = 7;

/// From this version on, Landlock knows truncation.
const LANDLOCK_TRUNCATE: u32 = 3;
/// From this version on, Landlock keeps signals inside.
const LANDLOCK_SIGNALS: u32 = 6;

/// What this kernel offers to the cage, each with the reason where it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSupport {
    /// The Landlock version, or why there is none.
    pub landlock: Result<u32, String>,
    /// Whether seccomp filters work, or why not.
    pub seccomp: Result<(), String>,
    /// Whether user namespaces are granted, or why not.
    pub namespaces: Result<(), String>,
}

/// Tries what this kernel offers, without confining the calling process.
pub fn kernel_support() -> KernelSupport {
    KernelSupport {
        landlock: landlock::version(),
        seccomp: seccomp::available(),
        namespaces: namespaces::available(),
    }
}

/// Which process this is after the fork, as seen by the code that goes on to lock it in.
struct Forked {
    /// Own user, pid, network, IPC and mount namespaces hold.
    namespaces: bool,
    /// The root of the job's own, where the kernel granted one: then nothing outside is there, and nothing but the
    /// work folders can be written.
    root: Option<Root>,
    /// How many processes the kernel is to grant the user that it counts for the job.
    processes: Option<u64>,
}

pub fn enter(policy: &Policy) -> Result<Mode, CageError> {
    let walls = walls(policy)?;
    // SAFETY: cannot fail and touches no memory.
    let parent = unsafe { sys::getppid() };
    if policy.parent_pid.is_some_and(|expected| expected != parent) {
        return Err(CageError::Policy(
            "the process that asked for this job is gone".to_owned(),
        ));
    }
    let parent_fd = supervise::watch_process(parent);
    // SAFETY: plain system calls on this process. `setsid` fails only for a group leader, which a fresh fork is not.
    unsafe {
        check(sys::setsid(), "leave the session")?;
        check(
            sys::prctl(sys::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
            "become a subreaper",
        )?;
    }
    let mask = supervise::block_signals()?;
    let forked = fork_job(policy, walls, parent, parent_fd)?;
    lock_in(policy, walls, &forked, &mask)
}

/// The Landlock version to build on, or nothing where the policy accepts to go without walls.
fn walls(policy: &Policy) -> Result<Option<u32>, CageError> {
    let landlock = if policy.forbid_landlock {
        Err("the policy forbids Landlock".to_owned())
    } else {
        landlock::version()
    };
    match (landlock, seccomp::available()) {
        (Ok(version), Ok(())) => Ok(Some(version)),
        _ if policy.allow_unprotected => Ok(None),
        (Err(reason), _) | (_, Err(reason)) => Err(CageError::Unprotected(reason)),
    }
}

/// Forks the job, with namespaces where they are wanted and granted. Returns in the job only.
fn fork_job(
    policy: &Policy,
    walls: Option<u32>,
    parent: c_int,
    parent_fd: Option<c_int>,
) -> Result<Forked, CageError> {
    if walls.is_some() && !policy.forbid_namespaces {
        let (reader, writer) = pipe()?;
        match namespaces::fork_into() {
            Ok(0) => return in_namespaces(policy, reader, writer),
            Ok(init) if namespaces::map_ids(init).is_ok() => {
                // SAFETY: one byte from a live buffer. A failed write means that the child is gone, which shows below.
                unsafe { sys::write(writer, c"m".as_ptr().cast::<c_void>(), 1) };
                supervise::supervise(init, Reach::Init, parent, parent_fd)
            }
            Ok(init) => {
                // Namespaces that cannot be mapped are as good as refused.
                // SAFETY: the child is this process's own and not reaped yet.
                unsafe { sys::kill(init, sys::SIGKILL) };
                namespaces::wait_for(init);
            }
            Err(_) => {}
        }
        close_pipe(reader, writer);
    }
    let reach = if walls.is_some_and(|version| version >= LANDLOCK_SIGNALS) {
        no_new_privileges()?;
        landlock::scope_signals()?;
        Reach::Everybody
    } else {
        Reach::Lookup
    };
    let processes = policy.processes.and_then(beside_the_users);
    // SAFETY: cannot fail and touches no memory.
    let supervisor = unsafe { sys::getpid() };
    // SAFETY: the caller promises a single thread, so the child may do anything.
    match check(unsafe { sys::fork() }, "fork the job")? as c_int {
        0 => {
            // The job falls with its supervisor; the filter keeps it from undoing this.
            // SAFETY: plain system calls on this process.
            unsafe {
                check(
                    sys::prctl(sys::PR_SET_PDEATHSIG, sys::SIGKILL, 0, 0, 0),
                    "follow the supervisor",
                )?;
                if sys::getppid() != supervisor {
                    sys::_exit(128 + sys::SIGKILL);
                }
            }
            prefer_as_victim();
            Ok(Forked {
                namespaces: false,
                root: None,
                processes,
            })
        }
        job => supervise::supervise(job, reach, parent, parent_fd),
    }
}

/// The first process in the new namespaces: prepares the mounts, forks the job and stays as its init.
fn in_namespaces(policy: &Policy, reader: c_int, writer: c_int) -> Result<Forked, CageError> {
    let mut byte = 0_u8;
    // SAFETY: plain system calls; the buffer is live and one byte long.
    let told = unsafe {
        sys::prctl(sys::PR_SET_PDEATHSIG, sys::SIGKILL, 0, 0, 0);
        sys::close(writer);
        sys::read(reader, (&raw mut byte).cast::<c_void>(), 1)
    };
    if told != 1 {
        // The supervisor died, or could not map the ids and goes on without namespaces.
        // SAFETY: leaves without running handlers of the process this one was forked from.
        unsafe { sys::_exit(128 + sys::SIGKILL) };
    }
    // SAFETY: the descriptor is this function's own.
    unsafe { sys::close(reader) };
    prefer_as_victim();
    let root = root::enter(policy)?;
    // SAFETY: this process has a single thread, so the child may do anything.
    match check(unsafe { sys::fork() }, "fork the job")? as c_int {
        0 => Ok(Forked {
            namespaces: true,
            root,
            processes: policy.processes,
        }),
        job => supervise::be_init(job),
    }
}

/// The walls themselves, put up in the job; the order matters: each step may need what the next one takes away.
fn lock_in(
    policy: &Policy,
    walls: Option<u32>,
    forked: &Forked,
    mask: &SignalSet,
) -> Result<Mode, CageError> {
    // SAFETY: plain system call. A session of its own: signals to the group do not reach the supervisor.
    check(unsafe { sys::setsid() }, "give the job a session")?;
    supervise::restore_signals(mask)?;
    sys::close_all_but(&policy.keep_fds)?;
    limit(RLIMIT_CORE, Some(0), 0)?;
    // The kernel warns at the soft limit (SIGXCPU) and kills at the hard one, a second later.
    limit(RLIMIT_CPU, policy.cpu_seconds, 1)?;
    limit(RLIMIT_FSIZE, policy.file_bytes, 0)?;
    limit(RLIMIT_NOFILE, policy.open_files, 0)?;
    limit(RLIMIT_NPROC, forked.processes, 0)?;
    let Some(version) = walls else {
        return Ok(Mode::None);
    };
    no_new_privileges()?;
    let own_proc = forked.root.as_ref().is_some_and(|root| root.own_proc);
    landlock::restrict(policy, version, own_proc)?;
    drop_capabilities()?;
    // SAFETY: cannot fail and touches no memory.
    let own = unsafe { sys::getpid() };
    seccomp::restrict(Surroundings {
        own,
        devices: !policy.devices.is_empty(),
        metadata_open: forked.root.is_none(),
        truncation_open: forked.root.is_none() && version < LANDLOCK_TRUNCATE,
        signals_open: !forked.namespaces && version < LANDLOCK_SIGNALS,
    })?;
    Ok(if forked.root.is_some() {
        Mode::NamespacesLandlockSeccomp
    } else {
        Mode::LandlockSeccomp
    })
}

/// Lowers a limit of the kernel; one that is already lower stays.
fn limit(resource: c_int, value: Option<u64>, grace: u64) -> Result<(), CageError> {
    let Some(value) = value else { return Ok(()) };
    let mut current = Rlimit { soft: 0, hard: 0 };
    // SAFETY: `current` is live for the call.
    let known = unsafe { sys::getrlimit(resource, &raw mut current) };
    check(known, "read a limit")?;
    let hard = current.hard.min(value.saturating_add(grace));
    let wanted = Rlimit {
        soft: hard.min(value),
        hard,
    };
    // SAFETY: `wanted` is live for the call.
    check(
        unsafe { sys::setrlimit(resource, &raw const wanted) },
        "set a limit",
    )
    .map(|_| ())
}

/// Gives up the new privileges that some programs bring; both Landlock and seccomp ask for it.
fn no_new_privileges() -> Result<(), CageError> {
    // SAFETY: plain system call on this process.
    check(
        unsafe { sys::prctl(sys::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
        "give up new privileges",
    )
    .map(|_| ())
}

/// The kernel's limit for a job that is counted together with all the user runs: what there is, what the job may have,
/// and room for the user to go on. It only stops what the watchdog is too slow for. Root has no such limit.
fn beside_the_users(processes: u64) -> Option<u64> {
    const ROOM: u64 = 256;
    // SAFETY: cannot fail and touches no memory.
    let user = unsafe { sys::geteuid() };
    (user != 0).then(|| supervise::threads_of(user) + processes + ROOM)
}

/// Empties the capability sets; with `no_new_privs` no program can fill them again, not even as root.
fn drop_capabilities() -> Result<(), CageError> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: header and data have the layout and length of version 3 and are live for the call.
    let dropped = unsafe { sys::syscall(syscalls::CAPSET, header.as_ptr(), none.as_ptr()) };
    check(dropped, "drop capabilities").map(|_| ())
}

/// Has the kernel, when memory runs out, choose the job before its supervisor. A kernel that will not is no weaker
/// wall.
fn prefer_as_victim() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

fn pipe() -> Result<(c_int, c_int), CageError> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for both descriptors.
    let made = unsafe { sys::pipe2(ends.as_mut_ptr(), sys::O_CLOEXEC) };
    check(made, "make a pipe")?;
    Ok((ends[0], ends[1]))
}

fn close_pipe(reader: c_int, writer: c_int) {
    // SAFETY: both descriptors were made by `pipe` and are not used again.
    unsafe {
        sys::close(reader);
        sys::close(writer);
    }
}

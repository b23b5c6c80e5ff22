//! The few system interfaces the cage needs, declared by hand: its library links nothing but the C library.

use std::ffi::{CString, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::path::Path;

use super::super::CageError;

#[repr(C)]
pub struct Rlimit {
    pub soft: u64,
    pub hard: u64,
}

#[repr(C)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

/// `sigset_t` of both glibc and musl.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SignalSet(pub [u64; 16]);

unsafe extern "C" {
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn fork() -> c_int;
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn kill(pid: c_int, signal: c_int) -> c_int;
    pub fn pause() -> c_int;
    pub fn getpid() -> c_int;
    pub fn getppid() -> c_int;
    pub fn geteuid() -> c_uint;
    pub fn getegid() -> c_uint;
    pub fn setsid() -> c_int;
    pub fn _exit(code: c_int) -> !;
    pub fn close(fd: c_int) -> c_int;
    pub fn read(fd: c_int, buffer: *mut c_void, length: usize) -> isize;
    pub fn write(fd: c_int, buffer: *const c_void, length: usize) -> isize;
    pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    pub fn chdir(path: *const c_char) -> c_int;
    pub fn sigprocmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    pub fn sigfillset(set: *mut SignalSet) -> c_int;
    pub fn sigemptyset(set: *mut SignalSet) -> c_int;
    pub fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    pub fn signalfd(fd: c_int, mask: *const SignalSet, flags: c_int) -> c_int;
    pub fn signal(signal: c_int, handler: usize) -> usize;
    pub fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    pub fn setrlimit(resource: c_int, limit: *const Rlimit) -> c_int;
    pub fn getrlimit(resource: c_int, limit: *mut Rlimit) -> c_int;
    pub fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    pub fn umount2(target: *const c_char, flags: c_int) -> c_int;
}

pub const EPERM: i32 = 1;
pub const EINTR: i32 = 4;
pub const ENOSYS: i32 = 38;
pub const EOPNOTSUPP: i32 = 95;

pub const SIGHUP: c_int = 1;
pub const SIGINT: c_int = 2;
pub const SIGQUIT: c_int = 3;
pub const SIGKILL: c_int = 9;
pub const SIGTERM: c_int = 15;
pub const SIGCHLD: c_int = 17;

pub const O_PATH_CLOEXEC: c_int = 0o12000000;
pub const O_CLOEXEC: c_int = 0o2000000;

pub const PR_SET_PDEATHSIG: c_int = 1;
pub const PR_SET_DUMPABLE: c_int = 4;
pub const PR_SET_SECCOMP: c_int = 22;
pub const PR_SET_CHILD_SUBREAPER: c_int = 36;
pub const PR_SET_NO_NEW_PRIVS: c_int = 38;

pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The error of the system call that just failed.
pub fn failed(step: impl Into<String>) -> CageError {
    CageError::System {
        step: step.into(),
        errno: errno(),
    }
}

/// Turns the C convention "negative means failed" into a result.
pub fn check(returned: impl Into<i64>, step: &str) -> Result<i64, CageError> {
    let returned = returned.into();
    if returned < 0 {
        Err(failed(step))
    } else {
        Ok(returned)
    }
}

pub fn c_path(path: &Path) -> Result<CString, CageError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| CageError::Policy(format!("the path {} holds a NUL", path.display())))
}

/// Closes every descriptor above 2 that is not in `keep`.
pub fn close_all_but(keep: &[c_int]) -> Result<(), CageError> {
    let mut kept: Vec<c_uint> = keep
        .iter()
        .filter_map(|fd| c_uint::try_from(*fd).ok())
        .filter(|fd| *fd > 2)
        .collect();
    kept.sort_unstable();
    kept.dedup();
    let mut first: c_uint = 3;
    for fd in kept.into_iter().map(Some).chain([None]) {
        let last = fd.map_or(c_uint::MAX, |fd| fd - 1);
        if first <= last {
            // SAFETY: closing descriptors touches no memory; whoever owned them is not used in this process again.
            let closed = unsafe { syscall(super::syscalls::CLOSE_RANGE, first, last, 0 as c_uint) };
            check(closed, "close inherited files")?;
        }
        first = fd.map_or(first, |fd| fd + 1);
    }
    Ok(())
}

/// Writes a short control file (`/proc/PID/uid_map` and its like) in one call.
pub fn write_control(path: &str, content: &str) -> Result<(), CageError> {
    std::fs::write(path, content).map_err(|error| CageError::System {
        step: format!("write {path}"),
        errno: error.raw_os_error().unwrap_or(0),
    })
}

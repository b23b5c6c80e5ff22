//! Landlock: which files a job may open, and that it may signal and reach nothing outside itself.

use std::ffi::{c_int, c_uint, c_void};
use std::path::{Path, PathBuf};

use super::super::{CageError, Policy};
use super::sys::{self, failed};
use super::syscalls;

const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// The rights that make sense on something that is not a folder; the kernel refuses a rule with others on a file.
const ON_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

const NET_BIND_AND_CONNECT_TCP: u64 = 0b11;
const SCOPE_ABSTRACT_UNIX_AND_SIGNAL: u64 = 0b11;

/// Device files without which the C library and Python do not work; none of them holds anybody's data.
pub const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// What is granted of a `/proc` that shows the processes outside: the job's first process, and what programs ask of
/// the machine. Not the folders of other processes: every user can read their command lines there.
const OF_SHARED_PROC: [&str; 13] = [
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/proc/uptime",
    "/proc/version",
    "/proc/vmstat",
];

#[repr(C)]
struct RulesetAttributes {
    fs: u64,
    net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent_fd: c_int,
}

/// The newest rules that this kernel knows, or why it has none.
pub fn version() -> Result<u32, String> {
    // SAFETY: with a null attribute and the version flag the kernel only answers a number.
    let version = unsafe {
        sys::syscall(
            syscalls::LANDLOCK_CREATE_RULESET,
            std::ptr::null::<c_void>(),
            0usize,
            1 as c_uint,
        )
    };
    match u32::try_from(version) {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(format!(
            "Landlock is not available ({})",
            std::io::Error::last_os_error()
        )),
    }
}

/// Every file right that a kernel with this version can refuse.
fn handled_files(version: u32) -> u64 {
    let bits = match version {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << bits) - 1
}

/// Confines the calling process, and all it will start, to the policy's paths. Unless `/proc` is the job's own, a policy
/// that grants it grants a part.
pub fn restrict(policy: &Policy, version: u32, own_proc: bool) -> Result<(), CageError> {
    let handled = handled_files(version);
    let attributes = RulesetAttributes {
        fs: handled,
        net: if version >= 4 {
            NET_BIND_AND_CONNECT_TCP
        } else {
            0
        },
        scoped: if version >= 6 {
            SCOPE_ABSTRACT_UNIX_AND_SIGNAL
        } else {
            0
        },
    };
    // An older kernel refuses the fields it does not know, so it is told of no more than it does.
    let size: usize = match version {
        1..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    // SAFETY: `attributes` is live for the call and at least `size` bytes long.
    let ruleset = unsafe {
        sys::syscall(
            syscalls::LANDLOCK_CREATE_RULESET,
            &raw const attributes,
            size,
            0 as c_uint,
        )
    };
    let ruleset = sys::check(ruleset, "create the Landlock rules")? as c_int;
    let read = EXECUTE | READ_FILE | READ_DIR;
    let write = handled & !(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV);
    let device = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV;
    let whole = |path: &&Path| own_proc || *path != Path::new("/proc");
    let paths = || policy.read.iter().map(PathBuf::as_path);
    let part_of_proc = OF_SHARED_PROC
        .iter()
        .map(Path::new)
        .filter(|path| paths().any(|granted| !whole(&granted)) && path.exists());
    let outcome = paths()
        .filter(whole)
        .chain(part_of_proc)
        .try_for_each(|path| allow(ruleset, path, read & handled))
        .and_then(|()| {
            policy
                .write
                .iter()
                .try_for_each(|path| allow(ruleset, path, write))
        })
        .and_then(|()| {
            policy
                .devices
                .iter()
                .try_for_each(|path| allow(ruleset, path, device & handled))
        })
        .and_then(|()| {
            // A container may lack one of these; what is absent needs no rule.
            DEVICES
                .iter()
                .map(Path::new)
                .filter(|path| path.exists())
                .try_for_each(|path| allow(ruleset, path, device & handled))
        })
        .and_then(|()| {
            // SAFETY: plain system call on a descriptor this function owns.
            let restricted =
                unsafe { sys::syscall(syscalls::LANDLOCK_RESTRICT_SELF, ruleset, 0 as c_uint) };
            sys::check(restricted, "enter the Landlock rules").map(|_| ())
        });
    // SAFETY: `ruleset` was created above and is not used again.
    unsafe { sys::close(ruleset) };
    outcome
}

/// Keeps the signals that the calling process sends among itself and those it will start. Needs version 6.
pub fn scope_signals() -> Result<(), CageError> {
    const SCOPE_SIGNAL: u64 = 0b10;
    // Rules that do not speak of moving files between folders forbid it, so these do speak of it, and allow it.
    let attributes = RulesetAttributes {
        fs: REFER,
        net: 0,
        scoped: SCOPE_SIGNAL,
    };
    let size = size_of::<RulesetAttributes>();
    // SAFETY: `attributes` is live for the call and `size` is its own.
    let ruleset = unsafe {
        sys::syscall(
            syscalls::LANDLOCK_CREATE_RULESET,
            &raw const attributes,
            size,
            0 as c_uint,
        )
    };
    let ruleset = sys::check(ruleset, "create the rule for signals")? as c_int;
    let outcome = allow(ruleset, Path::new("/"), REFER).and_then(|()| {
        // SAFETY: plain system call on a descriptor this function owns.
        let restricted =
            unsafe { sys::syscall(syscalls::LANDLOCK_RESTRICT_SELF, ruleset, 0 as c_uint) };
        sys::check(restricted, "enter the rule for signals").map(|_| ())
    });
    // SAFETY: `ruleset` was created above and is not used again.
    unsafe { sys::close(ruleset) };
    outcome
}

fn allow(ruleset: c_int, path: &Path, rights: u64) -> Result<(), CageError> {
    let name = sys::c_path(path)?;
    // SAFETY: `name` is NUL-terminated and live for the call.
    let fd = unsafe { sys::open(name.as_ptr(), sys::O_PATH_CLOEXEC) };
    if fd < 0 {
        return Err(failed(format!("open {} for the cage", path.display())));
    }
    let rights = if path.is_dir() {
        rights
    } else {
        rights & ON_FILES
    };
    let rule = PathBeneath {
        allowed: rights,
        parent_fd: fd,
    };
    // SAFETY: `rule` has the layout the kernel expects (packed) and is live for the call; `fd` is open.
    unsafe {
        let added = sys::syscall(
            syscalls::LANDLOCK_ADD_RULE,
            ruleset,
            1 as c_int,
            &raw const rule,
            0 as c_uint,
        );
        let outcome = if added < 0 {
            Err(failed(format!("allow {} in Landlock", path.display())))
        } else {
            Ok(())
        };
        sys::close(fd);
        outcome
    }
}

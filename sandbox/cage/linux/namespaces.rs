//! Namespaces: a world of the job's own, with no network and no processes but its own. Its file system is made in `root`.

use std::ffi::{c_int, c_long, c_ulong};

use super::super::CageError;
use super::sys::{self, check};
use super::syscalls;

const CLONE_NEWNS: c_ulong = 0x0002_0000;
const CLONE_NEWIPC: c_ulong = 0x0800_0000;
const CLONE_NEWUSER: c_ulong = 0x1000_0000;
const CLONE_NEWPID: c_ulong = 0x2000_0000;
const CLONE_NEWNET: c_ulong = 0x4000_0000;

/// Forks a child into new namespaces. The parent gets its pid, the child 0, as from `fork`.
///
/// The system call is made without the C library, so that the parent itself stays outside; the child must therefore
/// keep to plain system calls until it has forked again.
pub fn fork_into() -> Result<c_int, CageError> {
    let flags = CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET
        | CLONE_NEWIPC
        | CLONE_NEWNS
        | sys::SIGCHLD as c_ulong;
    // SAFETY: without a stack and without CLONE_VM this is a fork: the child has its own copy of all memory.
    let pid = unsafe {
        sys::syscall(
            syscalls::CLONE,
            flags,
            0 as c_long,
            0 as c_long,
            0 as c_long,
            0 as c_long,
        )
    };
    check(pid, "create namespaces").map(|pid| pid as c_int)
}

/// Maps the caller's user and group, and no other, into the namespace of the child.
pub fn map_ids(child: c_int) -> Result<(), CageError> {
    // SAFETY: these calls cannot fail and touch no memory.
    let (user, group) = unsafe { (sys::geteuid(), sys::getegid()) };
    sys::write_control(&format!("/proc/{child}/setgroups"), "deny")?;
    sys::write_control(
        &format!("/proc/{child}/uid_map"),
        &format!("{user} {user} 1"),
    )?;
    sys::write_control(
        &format!("/proc/{child}/gid_map"),
        &format!("{group} {group} 1"),
    )
}

/// Whether the kernel grants the namespaces, or why not. The child it forks does nothing but wait for its end: the
/// ids of one that is gone cannot be mapped.
pub fn available() -> Result<(), String> {
    match fork_into() {
        Err(error) => Err(format!("user namespaces are refused ({error})")),
        // SAFETY: plain system calls; the child runs nothing of the process it was copied from.
        Ok(0) => unsafe {
            sys::prctl(sys::PR_SET_PDEATHSIG, sys::SIGKILL, 0, 0, 0);
            loop {
                sys::pause();
            }
        },
        Ok(child) => {
            let mapped = map_ids(child);
            // SAFETY: the child is this process's own and not reaped yet.
            unsafe { sys::kill(child, sys::SIGKILL) };
            wait_for(child);
            mapped.map_err(|error| format!("user namespaces cannot be used ({error})"))
        }
    }
}

/// Reaps a child and forgets its status.
pub fn wait_for(child: c_int) {
    let mut status = 0;
    // SAFETY: `status` is live for the call.
    while unsafe { sys::waitpid(child, &raw mut status, 0) } < 0 && sys::errno() == sys::EINTR {}
}

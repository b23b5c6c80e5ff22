//! Namespaces: a world of the job's own, with no network, no processes but its own, and a file system it cannot write.

use std::ffi::{c_int, c_long, c_ulong};
use std::path::Path;

use super::super::{CageError, Policy};
use super::sys::{self, check, failed};
use super::syscalls;

const CLONE_NEWNS: c_ulong = 0x0002_0000;
const CLONE_NEWIPC: c_ulong = 0x0800_0000;
const CLONE_NEWUSER: c_ulong = 0x1000_0000;
const CLONE_NEWPID: c_ulong = 0x2000_0000;
const CLONE_NEWNET: c_ulong = 0x4000_0000;

const MS_NOSUID_NODEV_NOEXEC: c_ulong = 0b1110;
const MS_BIND: c_ulong = 1 << 12;
const MS_REC: c_ulong = 1 << 14;
const MS_PRIVATE: c_ulong = 1 << 18;
const AT_FDCWD: c_int = -100;
const AT_RECURSIVE: c_int = 0x8000;
const MOUNT_ATTR_RDONLY: u64 = 1;

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

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

/// Makes every mount read-only but the policy's work folders, and mounts a `/proc` that shows only the job.
///
/// An error leaves the mounts writable where the system's own permissions allow; Landlock still guards contents, and
/// the caller then has seccomp guard modes and times too.
pub fn seal_mounts(policy: &Policy) -> Result<(), CageError> {
    let folder = std::env::current_dir();
    mount(None, Path::new("/"), None, MS_REC | MS_PRIVATE)?;
    for path in &policy.write {
        mount(Some(path), path, None, MS_BIND | MS_REC)?;
    }
    // Refused inside containers that hide parts of /proc. The old one then stays: it shows the processes outside, whose
    // memory and environment Landlock keeps closed.
    let _ = mount(
        Some(Path::new("proc")),
        Path::new("/proc"),
        Some("proc"),
        MS_NOSUID_NODEV_NOEXEC,
    );
    read_only(Path::new("/"), AT_RECURSIVE, true)?;
    for path in &policy.write {
        read_only(path, 0, false)?;
    }
    // The current folder is still the one of the old mount; step onto the new one at the same place.
    if let Ok(folder) = folder {
        let name = sys::c_path(&folder)?;
        // SAFETY: `name` is NUL-terminated and live for the call.
        if unsafe { sys::chdir(name.as_ptr()) } < 0 {
            return Err(failed(format!("return to the folder {}", folder.display())));
        }
    }
    Ok(())
}

fn mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: c_ulong,
) -> Result<(), CageError> {
    let source = sys::c_path(source.unwrap_or(Path::new("none")))?;
    let name = sys::c_path(target)?;
    let kind = sys::c_path(Path::new(kind.unwrap_or("none")))?;
    // SAFETY: the three strings are NUL-terminated and live for the call; no data is passed.
    let mounted = unsafe {
        sys::mount(
            source.as_ptr(),
            name.as_ptr(),
            kind.as_ptr(),
            flags,
            std::ptr::null(),
        )
    };
    if mounted < 0 {
        Err(failed(format!("mount {}", target.display())))
    } else {
        Ok(())
    }
}

fn read_only(path: &Path, flags: c_int, value: bool) -> Result<(), CageError> {
    let name = sys::c_path(path)?;
    let (set, clear) = if value {
        (MOUNT_ATTR_RDONLY, 0)
    } else {
        (0, MOUNT_ATTR_RDONLY)
    };
    let attributes = MountAttributes {
        set,
        clear,
        propagation: 0,
        user_namespace: 0,
    };
    let size = size_of::<MountAttributes>();
    // SAFETY: `name` and `attributes` are live for the call and `size` is that of `attributes`.
    let changed = unsafe {
        sys::syscall(
            syscalls::MOUNT_SETATTR,
            AT_FDCWD,
            name.as_ptr(),
            flags,
            &raw const attributes,
            size,
        )
    };
    if changed < 0 {
        Err(failed(format!("seal the mount {}", path.display())))
    } else {
        Ok(())
    }
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

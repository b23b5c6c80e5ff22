//! seccomp: which system calls a job may make. It closes what Landlock leaves open: sockets, other processes, file
//! modes, and the doors through which new privileges come.

use std::ffi::{c_int, c_long, c_uint, c_void};

use super::super::CageError;
use super::sys::{self, ENOSYS, EPERM};
use super::syscalls::{self as nr, ABSENT};

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// Calls of the x32 interface have this bit; they would pass by every rule below under another number.
#[cfg(target_arch = "x86_64")]
const X32_BIT: u32 = 0x4000_0000;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_EQUAL: u16 = 0x15;
#[cfg(target_arch = "x86_64")]
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

const NUMBER_OFFSET: u32 = 0;
const ARCH_OFFSET: u32 = 4;

/// `CLONE_NEW*` of every namespace.
const NAMESPACE_FLAGS: u32 = 0x7e02_0000;
const AF_UNIX: u32 = 1;
const SOCK_TYPE_MASK: u32 = 0xf;
const SOCK_STREAM: u32 = 1;
const SOCK_SEQPACKET: u32 = 5;
const F_SETOWN: u32 = 8;
const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;
const TIOCSCTTY: u32 = 0x540e;
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const O_TRUNC_AND_MODE: u32 = 0o1003;
const O_TRUNC: u32 = 0o1000;

/// One instruction of the kernel's filter machine.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    value: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// What the other walls leave for this one to do.
#[derive(Clone, Copy, Debug)]
pub struct Gaps {
    /// No mount namespace made the rest of the system read-only, and Landlock does not know file modes and times.
    pub metadata: bool,
    /// Landlock does not know truncation.
    pub truncation: bool,
    /// Neither a pid namespace nor Landlock keeps signals inside; holds the job's pid, the only one it may signal.
    pub signals: Option<i32>,
}

/// Whether filters can be installed, or why not. Changes nothing.
pub fn available() -> Result<(), String> {
    let action = ERRNO;
    // SAFETY: asks the kernel whether it knows an action; `action` is live for the call.
    let answer = unsafe { sys::syscall(nr::SECCOMP, 2 as c_uint, 0 as c_uint, &raw const action) };
    if answer == 0 {
        Ok(())
    } else {
        Err(format!(
            "seccomp is not available ({})",
            std::io::Error::last_os_error()
        ))
    }
}

/// Installs the filter on the calling process and all it will start. `no_new_privs` must be set.
pub fn restrict(gaps: Gaps) -> Result<(), CageError> {
    let instructions = filter(gaps);
    let program = Program {
        length: instructions.len() as u16,
        instructions: instructions.as_ptr(),
    };
    // SAFETY: `program` points at `length` live instructions; the kernel copies them.
    let installed = unsafe {
        sys::prctl(
            sys::PR_SET_SECCOMP,
            2 as c_int,
            &raw const program as *const c_void,
            0,
            0,
        )
    };
    sys::check(installed, "install the seccomp filter").map(|_| ())
}

/// Calls that a job has no business making, whatever their arguments.
///
/// `socket` is among them for every family, AF_UNIX included: Landlock does not guard sockets that have a path, and
/// one such connection (a container daemon's, a session bus) is a way out. The C library copes without.
const REFUSED: &[c_long] = &[
    nr::SOCKET,
    nr::CONNECT,
    nr::BIND,
    nr::LISTEN,
    nr::ACCEPT,
    nr::ACCEPT4,
    // Other processes.
    nr::PTRACE,
    nr::PROCESS_VM_READV,
    nr::PROCESS_VM_WRITEV,
    nr::PROCESS_MADVISE,
    nr::PROCESS_MRELEASE,
    nr::PIDFD_GETFD,
    nr::KCMP,
    nr::GET_ROBUST_LIST,
    nr::MIGRATE_PAGES,
    nr::MOVE_PAGES,
    nr::IOPRIO_SET,
    // The view of the file system.
    nr::MOUNT,
    nr::UMOUNT2,
    nr::PIVOT_ROOT,
    nr::CHROOT,
    nr::OPEN_TREE,
    nr::MOVE_MOUNT,
    nr::FSOPEN,
    nr::FSCONFIG,
    nr::FSMOUNT,
    nr::FSPICK,
    nr::MOUNT_SETATTR,
    nr::NAME_TO_HANDLE_AT,
    nr::OPEN_BY_HANDLE_AT,
    nr::QUOTACTL,
    nr::QUOTACTL_FD,
    // Namespaces and privileges.
    nr::SETNS,
    nr::UNSHARE,
    nr::CAPSET,
    // The kernel and its rarely travelled parts. io_uring would also make calls that no filter sees.
    nr::KEXEC_LOAD,
    nr::KEXEC_FILE_LOAD,
    nr::INIT_MODULE,
    nr::FINIT_MODULE,
    nr::DELETE_MODULE,
    nr::BPF,
    nr::PERF_EVENT_OPEN,
    nr::KEYCTL,
    nr::ADD_KEY,
    nr::REQUEST_KEY,
    nr::USERFAULTFD,
    nr::IO_URING_SETUP,
    nr::IO_URING_ENTER,
    nr::IO_URING_REGISTER,
    nr::ACCT,
    nr::SWAPON,
    nr::SWAPOFF,
    nr::REBOOT,
    nr::SYSLOG,
    // Memory that belongs to no process while it is not mapped, and so to nobody's limit.
    nr::MEMFD_CREATE,
    nr::MEMFD_SECRET,
    nr::SHMGET,
    // Owners, attributes and flags of files.
    nr::CHOWN,
    nr::FCHOWN,
    nr::LCHOWN,
    nr::FCHOWNAT,
    nr::SETXATTR,
    nr::LSETXATTR,
    nr::FSETXATTR,
    nr::SETXATTRAT,
    nr::REMOVEXATTR,
    nr::LREMOVEXATTR,
    nr::FREMOVEXATTR,
    nr::REMOVEXATTRAT,
    nr::FILE_SETATTR,
];

/// Modes and times of files.
const METADATA: &[c_long] = &[
    nr::CHMOD,
    nr::FCHMOD,
    nr::FCHMODAT,
    nr::FCHMODAT2,
    nr::UTIME,
    nr::UTIMES,
    nr::FUTIMESAT,
    nr::UTIMENSAT,
];

/// Builds the filter: per call at most one block, each ending in a verdict, and "allowed" at the end.
pub fn filter(gaps: Gaps) -> Vec<Instruction> {
    let mut filter = Filter(vec![
        Instruction {
            code: LOAD,
            jump_true: 0,
            jump_false: 0,
            value: ARCH_OFFSET,
        },
        Instruction {
            code: JUMP_EQUAL,
            jump_true: 1,
            jump_false: 0,
            value: AUDIT_ARCH,
        },
        Instruction {
            code: RETURN,
            jump_true: 0,
            jump_false: 0,
            value: KILL,
        },
        Instruction {
            code: LOAD,
            jump_true: 0,
            jump_false: 0,
            value: NUMBER_OFFSET,
        },
    ]);
    #[cfg(target_arch = "x86_64")]
    filter.0.extend([
        Instruction {
            code: JUMP_AT_LEAST,
            jump_true: 0,
            jump_false: 1,
            value: X32_BIT,
        },
        Instruction {
            code: RETURN,
            jump_true: 0,
            jump_false: 0,
            value: KILL,
        },
    ]);
    for call in REFUSED {
        filter.call(*call, &[verdict(refuse(EPERM))]);
    }
    // clone3 hides its flags in memory, where a filter cannot look; told it is absent, the C library uses clone.
    filter.call(nr::CLONE3, &[verdict(refuse(ENOSYS))]);
    filter.call(nr::CLONE, &allow_if(0, NAMESPACE_FLAGS, &[0]));
    // A connected stream reaches its other end only; a datagram socket could still send to any path with `sendto`.
    filter.call(
        nr::SOCKETPAIR,
        &[
            load(0),
            skip_unless_equal(AF_UNIX, 4),
            load(1),
            and(SOCK_TYPE_MASK),
            jump_equal(SOCK_STREAM, 2),
            jump_equal(SOCK_SEQPACKET, 1),
            verdict(refuse(EPERM)),
            verdict(ALLOW),
        ],
    );
    // Limits and priorities of other processes; 0 is the caller itself.
    filter.call(nr::PRLIMIT64, &allow_if(0, u32::MAX, &[0]));
    filter.call(nr::SETPRIORITY, &allow_if(1, u32::MAX, &[0]));
    filter.call(
        nr::PRCTL,
        &refuse_if(0, u32::MAX, &[sys::PR_SET_PDEATHSIG as u32]),
    );
    filter.call(
        nr::IOCTL,
        &refuse_if(
            1,
            u32::MAX,
            &[TIOCSCTTY, TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP],
        ),
    );
    if gaps.metadata {
        for call in METADATA {
            // Success without effect: copying a file sets its mode and times and must not fail for that.
            filter.call(*call, &[verdict(refuse(0))]);
        }
    }
    if gaps.truncation {
        filter.call(nr::TRUNCATE, &[verdict(refuse(EPERM))]);
        filter.call(nr::OPENAT2, &[verdict(refuse(ENOSYS))]);
        filter.call(nr::OPEN, &refuse_if(1, O_TRUNC_AND_MODE, &[O_TRUNC]));
        filter.call(nr::OPENAT, &refuse_if(2, O_TRUNC_AND_MODE, &[O_TRUNC]));
    }
    if let Some(pid) = gaps.signals {
        for call in [
            nr::KILL,
            nr::TGKILL,
            nr::RT_SIGQUEUEINFO,
            nr::RT_TGSIGQUEUEINFO,
            nr::TKILL,
        ] {
            filter.call(call, &allow_if(0, u32::MAX, &[pid as u32]));
        }
        filter.call(nr::PIDFD_SEND_SIGNAL, &[verdict(refuse(EPERM))]);
        filter.call(
            nr::FCNTL,
            &refuse_if(1, u32::MAX, &[F_SETOWN, F_SETSIG, F_SETOWN_EX]),
        );
    }
    filter.0.push(verdict(ALLOW));
    filter.0
}

struct Filter(Vec<Instruction>);

impl Filter {
    /// Appends a block that runs for this call alone. The block must end in a verdict on every way through it.
    fn call(&mut self, number: c_long, block: &[Instruction]) {
        if number == ABSENT {
            return;
        }
        self.0
            .push(skip_unless_equal(number as u32, block.len() as u8));
        self.0.extend_from_slice(block);
    }
}

fn refuse(errno: i32) -> u32 {
    ERRNO | errno as u32
}

fn verdict(value: u32) -> Instruction {
    Instruction {
        code: RETURN,
        jump_true: 0,
        jump_false: 0,
        value,
    }
}

/// Loads the low half of an argument. Every argument compared here is an `int` to the kernel, or has all its meaning
/// in the low half, so the high half cannot smuggle anything.
fn load(argument: u32) -> Instruction {
    Instruction {
        code: LOAD,
        jump_true: 0,
        jump_false: 0,
        value: 16 + 8 * argument,
    }
}

fn and(mask: u32) -> Instruction {
    Instruction {
        code: AND,
        jump_true: 0,
        jump_false: 0,
        value: mask,
    }
}

fn jump_equal(value: u32, over: u8) -> Instruction {
    Instruction {
        code: JUMP_EQUAL,
        jump_true: over,
        jump_false: 0,
        value,
    }
}

fn skip_unless_equal(value: u32, over: u8) -> Instruction {
    Instruction {
        code: JUMP_EQUAL,
        jump_true: 0,
        jump_false: over,
        value,
    }
}

/// Allowed when the masked argument is one of the values, refused otherwise.
fn allow_if(argument: u32, mask: u32, values: &[u32]) -> Vec<Instruction> {
    compare(argument, mask, values, ALLOW, refuse(EPERM))
}

/// Refused when the masked argument is one of the values, allowed otherwise.
fn refuse_if(argument: u32, mask: u32, values: &[u32]) -> Vec<Instruction> {
    compare(argument, mask, values, refuse(EPERM), ALLOW)
}

fn compare(
    argument: u32,
    mask: u32,
    values: &[u32],
    on_match: u32,
    otherwise: u32,
) -> Vec<Instruction> {
    let mut block = vec![load(argument), and(mask)];
    for (index, value) in values.iter().enumerate() {
        block.push(jump_equal(*value, (values.len() - index) as u8));
    }
    block.extend([verdict(otherwise), verdict(on_match)]);
    block
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;

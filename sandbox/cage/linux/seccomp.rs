//! seccomp: which system calls a job may make. It closes what Landlock leaves open: sockets, other processes, what
//! outlives a job, file modes, and the doors through which new privileges come. What it answers to each call stands in
//! the table; this builds the kernel's filter from it.

use std::ffi::{c_int, c_uint, c_void};

use super::super::CageError;
use super::sys::{self, ENOSYS, EOPNOTSUPP, EPERM};
use super::syscalls::{Call, Ruling, SECCOMP};
use super::table::GROUPS;

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
const PRIO_PROCESS: u32 = 0;
const KIND_MASK: u32 = 0xff00;
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

/// What the filter must know of the job, and of what the other walls leave for this one to do.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The number of the job's first process.
    pub own: i32,
    /// The job was given devices.
    pub devices: bool,
    /// No mount namespace made the rest of the system read-only, and Landlock does not know file modes and times.
    pub metadata_open: bool,
    /// Landlock does not know truncation, and no mount guards it.
    pub truncation_open: bool,
    /// Neither a pid namespace nor Landlock keeps signals inside.
    pub signals_open: bool,
}

/// Whether filters can be installed, or why not. Changes nothing.
pub fn available() -> Result<(), String> {
    let action = ERRNO;
    // SAFETY: asks the kernel whether it knows an action; `action` is live for the call.
    let answer = unsafe { sys::syscall(SECCOMP, 2 as c_uint, 0 as c_uint, &raw const action) };
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
pub fn restrict(job: Surroundings) -> Result<(), CageError> {
    install(&filter(job))
}

fn install(instructions: &[Instruction]) -> Result<(), CageError> {
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

/// Operations on an open file that a job may ask for.
pub const FCNTL: &[(&str, u32)] = &[
    ("F_DUPFD", 0),
    ("F_GETFD", 1),
    ("F_SETFD", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("F_GETLK", 5),
    ("F_SETLK", 6),
    ("F_SETLKW", 7),
    ("F_GETOWN", 9),
    ("F_GETSIG", 11),
    ("F_OFD_GETLK", 36),
    ("F_OFD_SETLK", 37),
    ("F_OFD_SETLKW", 38),
    ("F_GETLEASE", 1025),
    ("F_DUPFD_QUERY", 1027),
    ("F_CREATED_QUERY", 1028),
    ("F_DUPFD_CLOEXEC", 1030),
    ("F_SETPIPE_SZ", 1031),
    ("F_GETPIPE_SZ", 1032),
    ("F_ADD_SEALS", 1033),
    ("F_GET_SEALS", 1034),
];

/// Operations of terminals, pipes and file systems that a job may ask for.
pub const IOCTL: &[(&str, u32)] = &[
    ("TCGETS", 0x5401),
    ("TCGETS2", 0x802c_542a),
    ("TIOCGPGRP", 0x540f),
    ("TIOCOUTQ", 0x5411),
    ("TIOCGWINSZ", 0x5413),
    ("FIONREAD", 0x541b),
    ("FIONBIO", 0x5421),
    ("FIONCLEX", 0x5450),
    ("FIOCLEX", 0x5451),
    ("FIOQSIZE", 0x5460),
    ("FICLONE", 0x4004_9409),
];

/// Kinds of operation that no device of a job's own can need: of block devices, terminals, file systems (`X`, `f`, `v`,
/// btrfs), sockets, namespaces and processes. The kind is the second byte of the number.
const FOREIGN_KINDS: &[u32] = &[
    0x1200, 0x5400, 0x5800, 0x6600, 0x7600, 0x8900, 0x9400, 0xb700, 0xff00,
];

/// Settings of its own process that a job may read and change.
pub const PRCTL: &[(&str, u32)] = &[
    ("PR_GET_PDEATHSIG", 2),
    ("PR_GET_DUMPABLE", 3),
    ("PR_GET_KEEPCAPS", 7),
    ("PR_SET_NAME", 15),
    ("PR_GET_NAME", 16),
    ("PR_GET_SECCOMP", 21),
    ("PR_SET_SECCOMP", 22),
    ("PR_CAPBSET_READ", 23),
    ("PR_GET_TSC", 25),
    ("PR_GET_SECUREBITS", 27),
    ("PR_SET_TIMERSLACK", 29),
    ("PR_GET_TIMERSLACK", 30),
    ("PR_GET_CHILD_SUBREAPER", 37),
    ("PR_SET_NO_NEW_PRIVS", 38),
    ("PR_GET_NO_NEW_PRIVS", 39),
    ("PR_GET_TID_ADDRESS", 40),
    ("PR_SET_THP_DISABLE", 41),
    ("PR_GET_THP_DISABLE", 42),
    ("PR_SVE_SET_VL", 50),
    ("PR_SVE_GET_VL", 51),
    ("PR_GET_SPECULATION_CTRL", 52),
    ("PR_SET_SPECULATION_CTRL", 53),
    ("PR_PAC_RESET_KEYS", 54),
    ("PR_SET_TAGGED_ADDR_CTRL", 55),
    ("PR_GET_TAGGED_ADDR_CTRL", 56),
    ("PR_PAC_SET_ENABLED_KEYS", 60),
    ("PR_PAC_GET_ENABLED_KEYS", 61),
    ("PR_SME_SET_VL", 63),
    ("PR_SME_GET_VL", 64),
    ("PR_SET_MDWE", 65),
    ("PR_GET_MDWE", 66),
    ("PR_SET_VMA", 0x5356_4d41),
    ("PR_SET_PTRACER", 0x5961_6d61),
];

/// Builds the filter from the table: per call one block, each ending in a verdict, and "absent" at the end.
///
/// The kernel remembers which calls are always allowed and does not run the filter for them, so its length costs a job
/// nothing. The calls whose arguments are looked at come first.
pub fn filter(job: Surroundings) -> Vec<Instruction> {
    let mut filter = Filter(vec![
        instruction(LOAD, ARCH_OFFSET),
        jump_equal(AUDIT_ARCH, 1),
        verdict(KILL),
        instruction(LOAD, NUMBER_OFFSET),
    ]);
    #[cfg(target_arch = "x86_64")]
    filter.0.extend([
        Instruction {
            code: JUMP_AT_LEAST,
            jump_true: 0,
            jump_false: 1,
            value: X32_BIT,
        },
        verdict(KILL),
    ]);
    let (simple, looked_at): (Vec<_>, Vec<_>) = GROUPS
        .iter()
        .map(|group| (group.calls, block(group.ruling, job)))
        .partition(|(_, block)| block.len() == 1);
    for (calls, block) in looked_at.iter().chain(&simple) {
        for number in calls.iter().filter_map(Call::number) {
            filter.call(number, block);
        }
    }
    filter.0.push(verdict(refuse(ENOSYS)));
    filter.0
}

/// The instructions that a ruling stands for. Each ends in a verdict on every way through it.
fn block(ruling: Ruling, job: Surroundings) -> Vec<Instruction> {
    let always = |value| vec![verdict(value)];
    let unless = |gap, otherwise| always(if gap { otherwise } else { ALLOW });
    let own = job.own as u32;
    match ruling {
        Ruling::Allowed => always(ALLOW),
        Ruling::Refused => always(refuse(EPERM)),
        Ruling::Absent => always(refuse(ENOSYS)),
        Ruling::Unsupported => always(refuse(EOPNOTSUPP)),
        Ruling::Ignored => always(refuse(0)),
        Ruling::Metadata => unless(job.metadata_open, refuse(0)),
        Ruling::Truncate => unless(job.truncation_open, refuse(EPERM)),
        Ruling::OpenHow => unless(job.truncation_open, refuse(ENOSYS)),
        Ruling::OpenFlags { argument } if job.truncation_open => compare(
            argument,
            O_TRUNC_AND_MODE,
            &[O_TRUNC],
            refuse(EPERM),
            always(ALLOW),
        ),
        Ruling::OpenFlags { .. } => always(ALLOW),
        Ruling::Signals if job.signals_open => allow_if(0, u32::MAX, &[own]),
        Ruling::Signals => always(ALLOW),
        Ruling::Own => allow_if(0, u32::MAX, &[0, own]),
        Ruling::Priority => guarded(0, PRIO_PROCESS, allow_if(1, u32::MAX, &[0, own])),
        Ruling::Clone => allow_if(0, NAMESPACE_FLAGS, &[0]),
        Ruling::SocketPair => guarded(
            0,
            AF_UNIX,
            allow_if(1, SOCK_TYPE_MASK, &[SOCK_STREAM, SOCK_SEQPACKET]),
        ),
        Ruling::Fcntl => allow_if(1, u32::MAX, &numbers(FCNTL)),
        Ruling::Ioctl if job.devices => compare(
            1,
            u32::MAX,
            &numbers(IOCTL),
            ALLOW,
            compare(1, KIND_MASK, FOREIGN_KINDS, refuse(EPERM), always(ALLOW)),
        ),
        Ruling::Ioctl => allow_if(1, u32::MAX, &numbers(IOCTL)),
        Ruling::Prctl => allow_if(0, u32::MAX, &numbers(PRCTL)),
        Ruling::Personality => allow_if(0, u32::MAX, &[0, u32::MAX]),
    }
}

fn numbers(named: &[(&str, u32)]) -> Vec<u32> {
    named.iter().map(|(_, number)| *number).collect()
}

/// Refused unless an argument has this value; then the block decides.
fn guarded(argument: u32, value: u32, block: Vec<Instruction>) -> Vec<Instruction> {
    let mut guarded = vec![load(argument), jump_equal(value, 1), verdict(refuse(EPERM))];
    guarded.extend(block);
    guarded
}

struct Filter(Vec<Instruction>);

impl Filter {
    /// Appends a block that runs for this call alone. The block must end in a verdict on every way through it.
    fn call(&mut self, number: u16, block: &[Instruction]) {
        self.0
            .push(skip_unless_equal(u32::from(number), block.len() as u8));
        self.0.extend_from_slice(block);
    }
}

fn refuse(errno: i32) -> u32 {
    ERRNO | errno as u32
}

fn instruction(code: u16, value: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        value,
    }
}

fn verdict(value: u32) -> Instruction {
    instruction(RETURN, value)
}

/// Loads the low half of an argument. Every argument compared here is an `int` to the kernel, or has all its meaning
/// in the low half, so the high half cannot smuggle anything.
fn load(argument: u32) -> Instruction {
    instruction(LOAD, 16 + 8 * argument)
}

fn and(mask: u32) -> Instruction {
    instruction(AND, mask)
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
    compare(argument, mask, values, ALLOW, vec![verdict(refuse(EPERM))])
}

/// The verdict when the masked argument is one of the values, otherwise what the other block says.
fn compare(
    argument: u32,
    mask: u32,
    values: &[u32],
    on_match: u32,
    otherwise: Vec<Instruction>,
) -> Vec<Instruction> {
    let mut block = vec![load(argument), and(mask)];
    for (index, value) in values.iter().enumerate() {
        let over = values.len() - 1 - index + otherwise.len();
        block.push(jump_equal(*value, over as u8));
    }
    block.extend(otherwise);
    block.push(verdict(on_match));
    block
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;

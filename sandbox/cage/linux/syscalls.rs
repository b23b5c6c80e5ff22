//! What the table of system calls is made of, and the numbers of the few that the cage makes itself.

use std::ffi::c_long;

use super::table::GROUPS;

/// Calls that are dealt with in one way, for one reason.
pub struct Group {
    #[cfg_attr(not(test), expect(dead_code, reason = "shown in the reference"))]
    pub name: &'static str,
    pub ruling: Ruling,
    #[cfg_attr(not(test), expect(dead_code, reason = "shown in the reference"))]
    pub reason: &'static str,
    pub calls: &'static [Call],
}

/// A system call by its name, with its number on each architecture that has it.
pub struct Call {
    pub name: &'static str,
    pub x86_64: Option<u16>,
    pub aarch64: Option<u16>,
}

impl Call {
    /// The number on the architecture that this is compiled for.
    pub const fn number(&self) -> Option<u16> {
        if cfg!(target_arch = "x86_64") {
            self.x86_64
        } else {
            self.aarch64
        }
    }
}

/// What the filter answers to the calls of a group. `Allowed` leaves the rest to the kernel and to the other walls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    Allowed,
    /// EPERM.
    Refused,
    /// ENOSYS, as from a kernel that does not have the call.
    Absent,
    /// EOPNOTSUPP, as from a file system that does not have the feature.
    Unsupported,
    /// Success without effect.
    Ignored,
    /// Allowed where the mounts outside are read-only, otherwise success without effect.
    Metadata,
    /// Allowed where Landlock or the mounts guard truncation, otherwise EPERM.
    Truncate,
    /// As `Truncate`, for files that are opened; the argument holds the flags.
    OpenFlags {
        argument: u32,
    },
    /// Allowed where Landlock or the mounts guard truncation, otherwise ENOSYS.
    OpenHow,
    /// Allowed where signals stay inside, otherwise for the job's first process only.
    Signals,
    /// Allowed where the first argument is 0 or the number of the job's first process.
    Own,
    /// As `Own`, for one process, which the second argument names.
    Priority,
    /// Allowed without flags of namespaces.
    Clone,
    /// Allowed for Unix streams and sequenced packets.
    SocketPair,
    /// Allowed for the commands in `seccomp::FCNTL`.
    Fcntl,
    /// Allowed for the commands in `seccomp::IOCTL`, and with a device of the job's own for more.
    Ioctl,
    /// Allowed for the options in `seccomp::PRCTL`.
    Prctl,
    /// Allowed to ask, and to set what is.
    Personality,
}

/// The calls of a group: name, number on x86_64, number on aarch64.
macro_rules! calls {
    ($($name:ident $x86_64:tt $aarch64:tt),* $(,)?) => {
        &[$(Call {
            name: stringify!($name),
            x86_64: calls!(@number $x86_64),
            aarch64: calls!(@number $aarch64),
        }),*]
    };
    (@number -) => { None };
    (@number $number:literal) => { Some($number) };
}
pub(super) use calls;

/// The number of a call that both architectures have; a name that is not in the table does not compile.
const fn number(name: &str) -> c_long {
    let mut group = 0;
    while group < GROUPS.len() {
        let calls = GROUPS[group].calls;
        let mut call = 0;
        while call < calls.len() {
            if same(calls[call].name.as_bytes(), name.as_bytes()) {
                match calls[call].number() {
                    Some(number) => return number as c_long,
                    None => break,
                }
            }
            call += 1;
        }
        group += 1;
    }
    panic!("the table has no such call")
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

pub const CAPSET: c_long = number("capset");
pub const CLONE: c_long = number("clone");
pub const CLOSE_RANGE: c_long = number("close_range");
pub const LANDLOCK_ADD_RULE: c_long = number("landlock_add_rule");
pub const LANDLOCK_CREATE_RULESET: c_long = number("landlock_create_ruleset");
pub const LANDLOCK_RESTRICT_SELF: c_long = number("landlock_restrict_self");
pub const MOUNT_SETATTR: c_long = number("mount_setattr");
pub const MOVE_MOUNT: c_long = number("move_mount");
pub const OPEN_TREE: c_long = number("open_tree");
pub const PIDFD_OPEN: c_long = number("pidfd_open");
pub const PIVOT_ROOT: c_long = number("pivot_root");
pub const SECCOMP: c_long = number("seccomp");

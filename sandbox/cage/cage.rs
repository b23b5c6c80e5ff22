//! The cage: how a process locks itself in before it runs code that nobody has read.
//!
//! This file and its neighbours are compiled twice. As a module of `portwright-sandbox` they cage the commands that
//! Rust launches; `build.rs` also compiles them, with nothing but the standard library, into a C library that the
//! Python fork server loads, so that a job *forked* from the pre-imported parent locks itself in. One source, so both
//! kinds of job stand behind the same walls.
//!
//! [`enter`] must be called in a freshly forked, single-threaded process. It returns once, **in the job**, which is a
//! child of the process that called it. The caller itself stays behind as the *job supervisor*: trusted, tiny, and
//! gone from the caller's code for good. It outlives the job only to kill whatever the job left running and to exit
//! as the job did (the same code, or 128 plus the signal's number). It ends the job when its own parent dies and on
//! SIGTERM, so to end a job is to send its supervisor SIGTERM.
//!
//! ```text
//! parent ── supervisor ── [init of the namespaces] ── job ── whatever the job starts
//! ```
//!
//! What holds, in the mode with namespaces: own user, pid, network, IPC and mount namespaces (a root that holds the
//! policy's paths and nothing else, all read-only but the work folders, and a `/proc` of its own), Landlock, seccomp, no
//! capabilities. Where the kernel refuses user namespaces or such a root: Landlock and seccomp alone, seccomp then also
//! standing in for what the namespaces did. seccomp allows what its table names and nothing else.
//!
//! What deliberately does not hold: without namespaces, names and sizes of files outside can be learnt (`stat` cannot be
//! restricted); in both modes CPU caches are shared, and the disk under a work folder can be filled up to the file size
//! limit times the file count. `docs/sandbox.md` has the whole list.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "unsupported.rs"]
mod platform;
mod policy;

pub use platform::{KernelSupport, kernel_support};
pub use policy::Policy;

/// Which walls stand around a job; part of a verdict's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Own user, pid, network, IPC and mount namespaces, with Landlock and seccomp inside them.
    NamespacesLandlockSeccomp,
    /// Landlock and seccomp only, because this kernel refuses user namespaces or a root of the job's own in them, or the
    /// policy forbids them.
    LandlockSeccomp,
    /// No wall at all: the kernel has none and the user asked for `--no-sandbox`.
    None,
}

impl Mode {
    /// The name used in evidence and in the answer of the C interface.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::NamespacesLandlockSeccomp => "namespaces+landlock+seccomp",
            Mode::LandlockSeccomp => "landlock+seccomp",
            Mode::None => "none",
        }
    }

    /// The mode with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Mode> {
        [
            Mode::NamespacesLandlockSeccomp,
            Mode::LandlockSeccomp,
            Mode::None,
        ]
        .into_iter()
        .find(|mode| mode.name() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a process could not be caged. The process must then not run the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CageError {
    /// The policy text is not one.
    Policy(String),
    /// The kernel lacks a wall that the policy asks for.
    Unprotected(String),
    /// A system call failed that does not fail on a healthy system.
    System { step: String, errno: i32 },
}

impl CageError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            CageError::Policy(_) => {
                "this is a fault of the program that wrote the policy, please report it"
            }
            CageError::Unprotected(_) => {
                "generated code needs Linux 5.13 or newer with Landlock (lsm=landlock) and seccomp enabled; \
                 run it unprotected with --no-sandbox only if you trust it"
            }
            CageError::System { .. } => {
                "check that the folders named in the message exist, and run `portwright doctor` to see what this kernel allows"
            }
        }
    }
}

impl fmt::Display for CageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CageError::Policy(detail) => {
                write!(formatter, "the cage's policy is malformed: {detail}")
            }
            CageError::Unprotected(detail) => write!(
                formatter,
                "this system cannot contain generated code: {detail}"
            ),
            CageError::System { step, errno } => {
                write!(
                    formatter,
                    "cannot {step}: {}",
                    std::io::Error::from_raw_os_error(*errno)
                )
            }
        }
    }
}

impl std::error::Error for CageError {}

/// Locks the calling process in, as the module's description says.
///
/// On success it returns in the job, a child of the calling process. An error is returned in the process that met it,
/// which may be the caller or a child whose exit the caller repeats: in every case the right answer is to say so and
/// exit without running the job.
pub fn enter(policy: &Policy) -> Result<Mode, CageError> {
    platform::enter(policy)
}

/// [`enter`] for callers that are not Rust: `policy` is the text that [`Policy::parse`] describes.
///
/// Returns 0 in the job, with the mode's name in `message`. Otherwise 1 (policy), 2 (unprotected) or 3 (system), with
/// the error and, on a second line, `hint: ` and its cure. `message` is always NUL-terminated and cut to fit.
///
/// # Safety
/// `policy` must be a NUL-terminated string, and `message` must point at `message_len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portwright_cage_enter(
    policy: *const c_char,
    message: *mut c_char,
    message_len: usize,
) -> c_int {
    // SAFETY: the caller promises a NUL-terminated string.
    let bytes = unsafe { CStr::from_ptr(policy) };
    let outcome = bytes
        .to_str()
        .map_err(|error| CageError::Policy(format!("it is not UTF-8 ({error})")))
        .and_then(Policy::parse)
        .and_then(|policy| enter(&policy));
    let (code, text) = match &outcome {
        Ok(mode) => (0, mode.to_string()),
        Err(error) => {
            let code = match error {
                CageError::Policy(_) => 1,
                CageError::Unprotected(_) => 2,
                CageError::System { .. } => 3,
            };
            (code, format!("{error}\nhint: {}", error.hint()))
        }
    };
    let kept = text.len().min(message_len.saturating_sub(1));
    if message_len > 0 {
        // SAFETY: `kept` plus the final NUL fit into the `message_len` bytes the caller promises.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), message, kept);
            *message.add(kept) = 0;
        }
    }
    code
}

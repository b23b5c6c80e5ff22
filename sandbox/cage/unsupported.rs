//! The cage on systems that have none: it refuses, unless the user asked to go without.

use super::{CageError, Mode, Policy};

/// What this kernel offers: nothing, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSupport {
    /// The Landlock version, or why there is none.
    pub landlock: Result<u32, String>,
    /// Whether seccomp filters work, or why not.
    pub seccomp: Result<(), String>,
    /// Whether user namespaces are granted, or why not.
    pub namespaces: Result<(), String>,
}

fn reason() -> String {
    format!(
        "there is no cage for {} on {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// Says that nothing is available and why.
pub fn kernel_support() -> KernelSupport {
    KernelSupport {
        landlock: Err(reason()),
        seccomp: Err(reason()),
        namespaces: Err(reason()),
    }
}

pub fn enter(policy: &Policy) -> Result<Mode, CageError> {
    if policy.allow_unprotected {
        Ok(Mode::None)
    } else {
        Err(CageError::Unprotected(reason()))
    }
}

//! What the kernel allows, for `portwright doctor` and to fail early.

use super::cage::{self, KernelSupport, Mode};

/// The walls this system can put up, and why others are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The mode a job would run in, or why none: then only `--no-sandbox` runs anything.
    pub mode: Result<Mode, String>,
    /// Each wall by itself.
    pub kernel: KernelSupport,
}

/// Tries every wall. Confines nothing; forks a child that exits at once.
pub fn probe() -> Probe {
    let kernel = cage::kernel_support();
    Probe {
        mode: mode(&kernel),
        kernel,
    }
}

fn mode(kernel: &KernelSupport) -> Result<Mode, String> {
    kernel.landlock.clone()?;
    kernel.seccomp.clone()?;
    Ok(if kernel.namespaces.is_ok() {
        Mode::NamespacesLandlockSeccomp
    } else {
        Mode::LandlockSeccomp
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> KernelSupport {
        KernelSupport {
            landlock: Ok(7),
            seccomp: Ok(()),
            namespaces: Ok(()),
        }
    }

    #[test]
    fn a_kernel_with_everything_gives_the_strongest_mode() {
        assert_eq!(mode(&kernel()), Ok(Mode::NamespacesLandlockSeccomp));
    }

    #[test]
    fn refused_user_namespaces_weaken_the_mode_and_keep_it() {
        let kernel = KernelSupport {
            namespaces: Err("refused".into()),
            ..kernel()
        };
        assert_eq!(mode(&kernel), Ok(Mode::LandlockSeccomp));
    }

    #[test]
    fn a_kernel_without_landlock_gives_no_mode_and_the_reason() {
        let kernel = KernelSupport {
            landlock: Err("too old".into()),
            ..kernel()
        };
        assert_eq!(mode(&kernel), Err("too old".into()));
    }

    #[test]
    fn a_kernel_without_seccomp_gives_no_mode_and_the_reason() {
        let kernel = KernelSupport {
            seccomp: Err("not built in".into()),
            ..kernel()
        };
        assert_eq!(mode(&kernel), Err("not built in".into()));
    }
}

//! The exit codes that bots rely on; docs/reference/json.md documents them.

use portwright_core::{Verdict, verdict::BackendVerdict};

/// Every requested backend passed.
pub const PASSED: u8 = 0;
/// At least one requested backend did not pass; the report says which and why.
pub const NOT_PASSED: u8 = 1;
/// The command line, a setting, a plan or a name is wrong.
pub const USAGE: u8 = 2;
/// A tool, the environment, disk space or the network is missing; the error names the cure.
pub const ENVIRONMENT: u8 = 3;
/// The sandbox cannot be made on this machine.
pub const SANDBOX: u8 = 4;
/// The ledger, the artefact store or the skillset repository cannot be used.
pub const STORAGE: u8 = 5;
/// A defect in Portwright.
pub const INTERNAL: u8 = 70;
/// Interrupted by Ctrl-C; the same command goes on where it stopped.
pub const INTERRUPTED: u8 = 130;

/// The exit code of a finished run.
pub fn of_verdicts(verdicts: &[BackendVerdict]) -> u8 {
    let all = !verdicts.is_empty() && verdicts.iter().all(|v| v.verdict == Verdict::Pass);
    if all { PASSED } else { NOT_PASSED }
}

#[cfg(test)]
mod tests {
    use portwright_core::Backend;

    use super::*;

    fn verdict(verdict: Verdict) -> BackendVerdict {
        BackendVerdict {
            backend: Backend::TorchCpu,
            verdict,
            evidence: None,
            finding: None,
        }
    }

    #[test]
    fn only_a_pass_on_every_backend_is_success() {
        assert_eq!(of_verdicts(&[verdict(Verdict::Pass)]), PASSED);
        assert_eq!(
            of_verdicts(&[verdict(Verdict::Pass), verdict(Verdict::Converted)]),
            NOT_PASSED
        );
    }

    #[test]
    fn nothing_judged_is_no_success() {
        assert_eq!(of_verdicts(&[]), NOT_PASSED);
    }
}

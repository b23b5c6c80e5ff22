//! The exit codes that bots rely on; docs/reference/json.md documents them.

use portwright_agents::driver::Outcome;

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
pub fn of_outcome(outcome: &Outcome) -> u8 {
    if outcome.passed() { PASSED } else { NOT_PASSED }
}

#[cfg(test)]
mod tests {
    use portwright_core::{Backend, ModelType, RunId, Verdict, verdict::BackendVerdict};

    use super::*;

    fn outcome(verdicts: &[Verdict]) -> Outcome {
        let verdict = |verdict| BackendVerdict {
            backend: Backend::TORCH_CPU,
            verdict,
            evidence: None,
            finding: None,
        };
        Outcome {
            run: RunId::new("run"),
            model_type: ModelType::new("bert"),
            library_version: "5.20.2".into(),
            verdicts: verdicts.iter().copied().map(verdict).collect(),
            generation: vec![],
            branch: None,
            commit: None,
            exercised: Vec::new(),
            components: Vec::new(),
            whole: None,
            cpu_seconds: std::collections::BTreeMap::new(),
            peak_resident_bytes: 0,
            plan: None,
            met: Vec::new(),
            proposals: 0,
            offered: Vec::new(),
            reused: false,
        }
    }

    #[test]
    fn only_a_pass_on_every_backend_is_success() {
        assert_eq!(of_outcome(&outcome(&[Verdict::Pass])), PASSED);
        assert_eq!(
            of_outcome(&outcome(&[Verdict::Pass, Verdict::Converted])),
            NOT_PASSED
        );
        assert_eq!(of_outcome(&outcome(&[Verdict::Unavailable])), NOT_PASSED);
    }

    #[test]
    fn nothing_judged_is_no_success() {
        assert_eq!(of_outcome(&outcome(&[])), NOT_PASSED);
    }
}

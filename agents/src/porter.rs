//! The porter: one attempt of a plan on one backend, from the artefact to the judge's verdict.

use portwright_core::{Backend, Finding, Verdict, verdict::BackendVerdict};
use serde::{Deserialize, Serialize};

use crate::protocol::{Action, Agent, Observation, unexpected};

/// Takes one plan to one backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Porter {
    backend: Backend,
}

impl Porter {
    pub fn new(backend: Backend) -> Self {
        Self { backend }
    }

    fn not_passed(&self, verdict: Verdict, finding: Finding) -> Box<BackendVerdict> {
        Box::new(BackendVerdict {
            backend: self.backend,
            verdict,
            evidence: None,
            finding: Some(finding),
        })
    }
}

impl Agent for Porter {
    type Finished = Box<BackendVerdict>;
    const NAME: &'static str = "porter";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        let backend = self.backend;
        match observation {
            // What runs the module itself has no artefact.
            Observation::Begin if !backend.runs_module() => Action::Build { backend },
            Observation::Begin | Observation::Built => Action::Execute { backend },
            Observation::Executed { report } => Action::Judge { backend, report },
            Observation::Judged { verdict } => Action::Finish(verdict),
            Observation::Failed { verdict, finding } => {
                Action::Finish(self.not_passed(verdict, *finding))
            }
            other => Action::Finish(self.not_passed(Verdict::Fail, unexpected(Self::NAME, &other))),
        }
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage};

    use super::*;

    fn finding() -> Box<Finding> {
        Box::new(Finding {
            stage: Stage::Export,
            backend: Some(Backend::ONNXRUNTIME),
            signature: Signature::phrase("x"),
            message: "x".into(),
            error: None,
            hint: None,
        })
    }

    #[test]
    fn a_backend_without_an_artefact_is_executed_at_once() {
        let mut porter = Porter::new(Backend::TORCH_CPU);
        let action = porter.step(Observation::Begin);
        assert!(matches!(action, Action::Execute { .. }));
    }

    #[test]
    fn a_failed_build_is_a_verdict_with_its_finding() {
        let mut porter = Porter::new(Backend::ONNXRUNTIME);
        assert!(matches!(
            porter.step(Observation::Begin),
            Action::Build { .. }
        ));
        let action = porter.step(Observation::Failed {
            verdict: Verdict::OutOfMemory,
            finding: finding(),
        });
        let Action::Finish(verdict) = action else {
            panic!("not finished")
        };
        assert_eq!(verdict.verdict, Verdict::OutOfMemory);
        assert!(verdict.finding.is_some());
    }

    #[test]
    fn an_answer_that_was_not_asked_for_is_never_a_pass() {
        let mut porter = Porter::new(Backend::ONNXRUNTIME);
        let Action::Finish(verdict) = porter.step(Observation::Sound {
            exercised: Vec::new(),
            mixes_rows: false,
        }) else {
            panic!("not finished")
        };
        assert_eq!(verdict.verdict, Verdict::Fail);
    }
}

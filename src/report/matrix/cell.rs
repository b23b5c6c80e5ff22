//! One cell of the matrix: what is known of one name in one column, and whether it counts as a pass.

use std::fmt;

use portwright_core::{Backend, Evidence, Finding, Verdict, sweep::Row, verdict::BackendVerdict};
use serde::Serialize;

/// What was checked on a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// One forward of the ported class.
    Port,
    /// Prefill and decode with a cache.
    Generation,
}

impl Check {
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Port => "port",
            Check::Generation => "generation",
        }
    }
}

/// A column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Column {
    pub check: Check,
    pub backend: Backend,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.check {
            Check::Port => write!(f, "{}", self.backend),
            Check::Generation => write!(f, "{} generation", self.backend),
        }
    }
}

/// What is known of one name in one column.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// `None` where the row has no verdict, although the column applies to it.
    pub verdict: Option<&'a BackendVerdict>,
}

/// What a cell counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Passed {
        /// Whether axes stayed free.
        dynamic: bool,
        /// Whether the judge states what the pass leaves open.
        limited: bool,
    },
    /// A pass that rests on nothing: it is none.
    Unproven,
    /// Any other verdict.
    Not(Verdict),
    /// No verdict at all.
    Missing,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Passed { dynamic: false, .. } => "pass (static)",
            State::Passed { limited: true, .. } => "pass (limits)",
            State::Passed { .. } => "pass",

            State::Unproven => "pass without evidence",
            State::Not(verdict) => verdict.as_str(),
            State::Missing => "no verdict",
        }
    }
}

impl<'a> Cell<'a> {
    /// The cell of a row, or `None` where the column does not apply: generation of a type that does not generate.
    pub fn of(row: &'a Row, column: Column) -> Option<Self> {
        let verdicts = match column.check {
            Check::Port => &row.verdicts,
            Check::Generation if row.generation.is_empty() => return None,
            Check::Generation => &row.generation,
        };
        Some(Self {
            verdict: verdicts
                .iter()
                .find(|verdict| verdict.backend == column.backend),
        })
    }

    /// What the cell counts as. This is the one place that says what a pass is.
    pub fn state(&self) -> State {
        match self.verdict {
            None => State::Missing,
            Some(BackendVerdict {
                verdict: Verdict::Pass,
                evidence,
                ..
            }) => match evidence {
                Some(evidence) => State::Passed {
                    dynamic: evidence.dynamic,
                    limited: !evidence.limits.is_empty(),
                },
                None => State::Unproven,
            },
            Some(other) => State::Not(other.verdict),
        }
    }

    pub fn passed(&self) -> bool {
        matches!(self.state(), State::Passed { .. })
    }

    pub fn evidence(&self) -> Option<&'a Evidence> {
        self.verdict?.evidence.as_ref()
    }

    pub fn finding(&self) -> Option<&'a Finding> {
        self.verdict?.finding.as_ref()
    }

    /// The signature of what does not pass; empty for a pass.
    pub fn signature(&self) -> &'a str {
        match (self.finding(), self.state()) {
            (_, State::Passed { .. }) => "",
            (Some(finding), _) => &finding.signature.0,
            (None, State::Unproven) => "the pass has no evidence",
            (None, State::Missing) => "no verdict was recorded",
            (None, State::Not(_)) => "no finding was recorded",
        }
    }

    /// One sentence on what does not pass; empty for a pass.
    pub fn message(&self) -> &'a str {
        match self.finding() {
            Some(finding) if !self.passed() => &finding.message,
            _ => self.signature(),
        }
    }

    /// What a person can do about a cell that does not pass, also where nobody wrote a hint.
    pub fn hint(&self, row: &Row, column: Column) -> String {
        if let Some(hint) = self.finding().and_then(|finding| finding.hint.clone()) {
            return hint;
        }
        let look = format!("`portwright runs {} --json` shows every attempt", row.run);
        match (self.state(), self.finding()) {
            (State::Not(_), Some(_)) => look,
            _ => format!(
                "try it again with `portwright run {} --backend {} --fresh`; {look}",
                row.name, column.backend
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::*, *};

    fn state(verdict: BackendVerdict) -> State {
        Cell {
            verdict: Some(&verdict),
        }
        .state()
    }

    #[test]
    fn only_a_pass_with_evidence_is_a_pass() {
        let passed = |dynamic, limited| State::Passed { dynamic, limited };
        assert_eq!(state(pass(ONNX)), passed(true, false));
        assert_eq!(state(limited_pass(ONNX)), passed(true, true));
        assert_eq!(passed(true, true).as_str(), "pass (limits)");
        assert_eq!(state(static_pass(ONNX)), passed(false, true));
        let hollow = BackendVerdict {
            evidence: None,
            ..pass(ONNX)
        };
        assert_eq!(state(hollow), State::Unproven);
    }

    #[test]
    fn evidence_makes_no_pass_of_another_verdict() {
        for verdict in NOT_PASSES {
            let dressed_up = BackendVerdict {
                verdict,
                ..pass(ONNX)
            };
            assert_eq!(state(dressed_up), State::Not(verdict));
        }
    }

    #[test]
    fn generation_does_not_apply_to_a_type_that_does_not_generate() {
        let column = Column {
            check: Check::Generation,
            backend: ONNX,
        };
        assert!(Cell::of(&row("bert"), column).is_none());
        let gpt2 = Row {
            generation: vec![pass(TORCH)],
            ..row("gpt2")
        };
        assert_eq!(Cell::of(&gpt2, column).unwrap().state(), State::Missing);
    }

    #[test]
    fn what_does_not_pass_always_says_what_to_do() {
        let column = Column {
            check: Check::Port,
            backend: ONNX,
        };
        let gpt2 = row("gpt2");
        let without_hint = failed(ONNX, "lost", None);
        for verdict in [None, Some(&without_hint)] {
            let cell = Cell { verdict };
            assert!(
                cell.hint(&gpt2, column)
                    .contains("portwright runs gpt2-run")
            );
            assert!(!cell.signature().is_empty() && !cell.message().is_empty());
        }
        let with_hint = failed(ONNX, "lost", Some("use a lamp"));
        let cell = Cell {
            verdict: Some(&with_hint),
        };
        assert_eq!(cell.hint(&gpt2, column), "use a lamp");
    }
}

//! What changed since an earlier sweep.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{Backend, Stage, SweepId, Verdict, sweep::Row};
use serde::Serialize;

use super::{Cell, Check, Column, Matrix};

/// The difference between two sweeps.
#[derive(Debug, Serialize)]
pub struct Changes<'a> {
    pub since: &'a SweepId,
    /// The release of Transformers then.
    pub library_version: &'a str,
    /// Passed then and does not now.
    pub newly_failing: Vec<Change<'a>>,
    pub newly_passing: Vec<Change<'a>>,
    /// Did not pass and does not, with another verdict or cause; or passes with free axes then and fixed axes now, or
    /// the other way round.
    pub otherwise_changed: Vec<Change<'a>>,
    pub new_names: Vec<&'a str>,
    pub gone_names: Vec<&'a str>,
    /// Columns that one sweep has and the other has not.
    pub columns_not_compared: Vec<Column>,
    /// Names of both sweeps of which one has no row.
    pub names_not_compared: Vec<&'a str>,
}

/// One cell, then and now.
#[derive(Debug, PartialEq, Serialize)]
pub struct Change<'a> {
    pub name: &'a str,
    pub check: Check,
    pub backend: Backend,
    pub before: Seen<'a>,
    pub after: Seen<'a>,
}

/// What is compared of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seen<'a> {
    pub passed: bool,
    /// `None` where there was no verdict.
    pub verdict: Option<Verdict>,
    /// Whether axes stayed free, for a pass.
    pub dynamic: Option<bool>,
    pub stage: Option<Stage>,
    pub signature: Option<&'a str>,
}

impl<'a> Seen<'a> {
    /// A column that does not apply to the row is seen as one without a verdict: a type that generated and is now said
    /// not to has lost something.
    fn of(row: &'a Row, column: Column) -> Self {
        let cell = Cell::of(row, column).unwrap_or(Cell { verdict: None });
        let passed = cell.passed();
        Self {
            passed,
            verdict: cell.verdict.map(|verdict| verdict.verdict),
            dynamic: passed
                .then(|| cell.evidence().map(|evidence| evidence.dynamic))
                .flatten(),
            stage: cell.finding().map(|finding| finding.stage),
            signature: cell.finding().map(|finding| finding.signature.0.as_str()),
        }
    }
}

impl<'a> Changes<'a> {
    pub fn between(before: &Matrix<'a>, after: &Matrix<'a>) -> Self {
        let mut changes = Self {
            since: &before.sweep.id,
            library_version: &before.sweep.library_version,
            newly_failing: Vec::new(),
            newly_passing: Vec::new(),
            otherwise_changed: Vec::new(),
            new_names: Vec::new(),
            gone_names: Vec::new(),
            columns_not_compared: Vec::new(),
            names_not_compared: Vec::new(),
        };
        let then: BTreeMap<&str, &Row> = before
            .rows
            .iter()
            .map(|row| (row.name.as_str(), *row))
            .collect();
        let now: BTreeMap<&str, &Row> = after
            .rows
            .iter()
            .map(|row| (row.name.as_str(), *row))
            .collect();
        let columns = changes.compare_columns(before, after);
        let names_then = names(before);
        let names_now = names(after);
        changes.gone_names = names_then.difference(&names_now).copied().collect();
        changes.new_names = names_now.difference(&names_then).copied().collect();
        for name in names_now.intersection(&names_then) {
            match (then.get(name), now.get(name)) {
                (Some(then), Some(now)) => {
                    for column in &columns {
                        changes.compare(then, now, *column);
                    }
                }
                _ => changes.names_not_compared.push(name),
            }
        }
        changes
    }

    /// The columns of both; the others are noted.
    fn compare_columns(&mut self, before: &Matrix<'_>, after: &Matrix<'_>) -> Vec<Column> {
        let then: BTreeSet<Column> = before.columns.iter().copied().collect();
        let now: BTreeSet<Column> = after.columns.iter().copied().collect();
        self.columns_not_compared = then.symmetric_difference(&now).copied().collect();
        then.intersection(&now).copied().collect()
    }

    fn compare(&mut self, then: &'a Row, now: &'a Row, column: Column) {
        let (before, after) = (Seen::of(then, column), Seen::of(now, column));
        if before == after {
            return;
        }
        let place = match (before.passed, after.passed) {
            (true, false) => &mut self.newly_failing,
            (false, true) => &mut self.newly_passing,
            _ => &mut self.otherwise_changed,
        };
        place.push(Change {
            name: &now.name,
            check: column.check,
            backend: column.backend,
            before,
            after,
        });
    }
}

fn names<'a>(matrix: &Matrix<'a>) -> BTreeSet<&'a str> {
    matrix.sweep.names.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::samples::*, *};

    fn with(name: &str, verdicts: Vec<portwright_core::verdict::BackendVerdict>) -> Row {
        Row {
            verdicts,
            ..row(name)
        }
    }

    #[test]
    fn a_pass_that_was_lost_is_newly_failing_and_one_that_was_won_newly_passing() {
        let names = ["lost", "won", "same"];
        let (old, new) = (earlier(&names), sweep(&names));
        let then = [
            with("lost", vec![pass(ONNX)]),
            with("won", vec![failed(ONNX, "x", None)]),
            with("same", vec![pass(ONNX)]),
        ];
        let now = [
            with("lost", vec![failed(ONNX, "y", None)]),
            with("won", vec![pass(ONNX)]),
            with("same", vec![pass(ONNX)]),
        ];
        let changes = Changes::between(&Matrix::new(&old, &then), &Matrix::new(&new, &now));
        assert_eq!(changes.newly_failing.len(), 1);
        assert_eq!(changes.newly_failing[0].name, "lost");
        assert_eq!(changes.newly_failing[0].after.signature, Some("y"));
        assert_eq!(changes.newly_passing.len(), 1);
        assert_eq!(changes.newly_passing[0].name, "won");
        assert!(changes.otherwise_changed.is_empty());
    }

    #[test]
    fn a_verdict_that_vanished_is_a_regression() {
        let names = ["a", "b"];
        let (old, new) = (earlier(&names), sweep(&names));
        let then = [with("a", vec![pass(ONNX)]), with("b", vec![pass(ONNX)])];
        let now = [with("a", vec![]), with("b", vec![pass(ONNX)])];
        let changes = Changes::between(&Matrix::new(&old, &then), &Matrix::new(&new, &now));
        assert_eq!(changes.newly_failing.len(), 1);
        assert_eq!(changes.newly_failing[0].after.verdict, None);
    }

    #[test]
    fn another_cause_and_fixed_axes_are_changes() {
        let names = ["cause", "axes"];
        let (old, new) = (earlier(&names), sweep(&names));
        let then = [
            with("cause", vec![failed(ONNX, "x", None)]),
            with("axes", vec![pass(ONNX)]),
        ];
        let now = [
            with("cause", vec![failed(ONNX, "y", None)]),
            with("axes", vec![static_pass(ONNX)]),
        ];
        let changes = Changes::between(&Matrix::new(&old, &then), &Matrix::new(&new, &now));
        let changed: Vec<_> = changes.otherwise_changed.iter().map(|c| c.name).collect();
        assert_eq!(changed, ["axes", "cause"]);
        assert!(changes.newly_failing.is_empty() && changes.newly_passing.is_empty());
    }

    #[test]
    fn a_name_that_has_not_ended_is_neither_gone_nor_a_regression() {
        let old = earlier(&["a", "b", "gone"]);
        let new = sweep(&["a", "b", "new"]);
        let then = [row("a"), row("b"), row("gone")];
        let now = [row("a")];
        let changes = Changes::between(&Matrix::new(&old, &then), &Matrix::new(&new, &now));
        assert_eq!(changes.gone_names, ["gone"]);
        assert_eq!(changes.new_names, ["new"]);
        assert_eq!(changes.names_not_compared, ["b"]);
        assert!(changes.newly_failing.is_empty());
    }

    #[test]
    fn a_backend_that_was_not_asked_for_is_not_compared() {
        let (old, new) = (earlier(&["a"]), sweep(&["a"]));
        let then = [with("a", vec![pass(TORCH), pass(ONNX)])];
        let now = [with("a", vec![pass(TORCH)])];
        let changes = Changes::between(&Matrix::new(&old, &then), &Matrix::new(&new, &now));
        assert!(changes.newly_failing.is_empty());
        assert_eq!(changes.columns_not_compared.len(), 1);
        assert_eq!(changes.columns_not_compared[0].backend, ONNX);
    }
}

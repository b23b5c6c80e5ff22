//! Failures by their cause: names that share a signature, most frequent first.

use std::{cmp::Reverse, collections::BTreeMap};

use portwright_core::{Backend, Stage};
use serde::Serialize;

use super::{Check, Matrix};

/// A cause, and the names that it stopped.
#[derive(Debug, PartialEq, Serialize)]
pub struct Pattern<'a> {
    pub signature: &'a str,
    /// `None` where no finding was recorded.
    pub stage: Option<Stage>,
    pub check: Check,
    pub backend: Backend,
    pub count: usize,
    pub names: Vec<&'a str>,
}

/// Every cause, by count.
pub fn patterns<'a>(matrix: &Matrix<'a>) -> Vec<Pattern<'a>> {
    let mut found: BTreeMap<(&str, Option<Stage>, Check, Backend), Vec<&str>> = BTreeMap::new();
    for (row, column, cell) in matrix.not_passed() {
        let stage = cell.finding().map(|finding| finding.stage);
        let cause = (cell.signature(), stage, column.check, column.backend);
        found.entry(cause).or_default().push(&row.name);
    }
    let mut patterns: Vec<Pattern<'a>> = found
        .into_iter()
        .map(|((signature, stage, check, backend), names)| Pattern {
            signature,
            stage,
            check,
            backend,
            count: names.len(),
            names,
        })
        .collect();
    // Stable: equal counts stay in the order of their causes.
    patterns.sort_by_key(|pattern| Reverse(pattern.count));
    patterns
}

#[cfg(test)]
mod tests {
    use portwright_core::sweep::Row;

    use super::{super::samples::*, *};

    #[test]
    fn the_most_frequent_cause_comes_first_and_each_backend_counts_alone() {
        let sweep = sweep(&["a", "b", "c"]);
        let failing = |name, verdicts| Row {
            verdicts,
            ..row(name)
        };
        let rows = [
            failing("a", vec![failed(ONNX, "rare", None)]),
            failing(
                "b",
                vec![
                    failed(ONNX, "common", None),
                    failed(OPENVINO, "common", None),
                ],
            ),
            failing("c", vec![failed(ONNX, "common", None), pass(OPENVINO)]),
        ];
        let matrix = Matrix::new(&sweep, &rows);
        let seen: Vec<_> = patterns(&matrix)
            .into_iter()
            .filter(|pattern| pattern.stage.is_some())
            .map(|pattern| (pattern.signature, pattern.backend, pattern.names))
            .collect();
        assert_eq!(
            seen,
            [
                ("common", ONNX, vec!["b", "c"]),
                ("common", OPENVINO, vec!["b"]),
                ("rare", ONNX, vec!["a"]),
            ]
        );
    }

    #[test]
    fn a_verdict_that_is_missing_is_a_pattern_too() {
        let sweep = sweep(&["a", "b"]);
        let rows = [
            row("a"),
            Row {
                verdicts: Vec::new(),
                ..row("b")
            },
        ];
        let matrix = Matrix::new(&sweep, &rows);
        let [pattern] = &patterns(&matrix)[..] else {
            panic!("one pattern");
        };
        assert_eq!((pattern.stage, pattern.count), (None, 1));
        assert_eq!(pattern.signature, "no verdict was recorded");
    }

    #[test]
    fn what_passes_has_no_pattern() {
        let sweep = sweep(&["a"]);
        let rows = [row("a")];
        assert_eq!(patterns(&Matrix::new(&sweep, &rows)), []);
    }
}

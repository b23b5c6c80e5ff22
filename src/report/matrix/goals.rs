//! How near a sweep comes to what the project is for. Here model types are counted, each once, however many names led
//! to it.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{Backend, Kind, sweep::Row};
use serde::Serialize;

use super::{Cell, Check, Column, Matrix, percent};

/// The goals of the project, and what the sweep reached of each.
#[derive(Debug, PartialEq, Serialize)]
pub struct Goals {
    /// Whether every name has its row. Else the figures are over the types that have, and no share of anything.
    pub complete: bool,
    /// Of the types with an auto class, those that pass.
    pub auto_class: Vec<Share>,
    /// Of the parts, those that pass on `torch-cpu`; `None` where that backend was not asked for.
    pub parts: Option<Parts>,
    /// Of the types that generate, those whose generation with a cache passes.
    pub generation: Vec<Share>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Share {
    pub backend: Backend,
    pub passed: usize,
    pub of: usize,
    pub percent: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Parts {
    pub passed: usize,
    /// Those of `passed` that were exercised through a parent.
    pub passed_through_a_parent: usize,
    pub of: usize,
    pub percent: Option<f64>,
}

impl Goals {
    pub fn new(matrix: &Matrix<'_>) -> Self {
        let has_auto_class = |row: &Row| row.kind != Kind::Part;
        Self {
            complete: matrix.missing.is_empty(),
            auto_class: shares(matrix, Check::Port, has_auto_class),
            parts: parts(matrix),
            generation: shares(matrix, Check::Generation, |_| true),
        }
    }
}

fn shares(matrix: &Matrix<'_>, check: Check, counts: impl Fn(&Row) -> bool) -> Vec<Share> {
    matrix
        .columns
        .iter()
        .filter(|column| column.check == check)
        .map(|&column| {
            let types = types(matrix, column, &counts);
            let passed = types.values().filter(|passed| **passed).count();
            Share {
                backend: column.backend,
                passed,
                of: types.len(),
                percent: of_all(matrix, passed, types.len()),
            }
        })
        .collect()
}

fn parts(matrix: &Matrix<'_>) -> Option<Parts> {
    let column = *matrix
        .columns
        .iter()
        .find(|column| column.check == Check::Port && column.backend == Backend::TORCH_CPU)?;
    let types = types(matrix, column, |row| row.kind == Kind::Part);
    let through: BTreeSet<&str> = matrix
        .rows
        .iter()
        .filter(|row| row.through.is_some())
        .map(|row| row.model_type.as_str())
        .collect();
    let passed: Vec<&str> = types
        .iter()
        .filter(|(_, passed)| **passed)
        .map(|(name, _)| *name)
        .collect();
    Some(Parts {
        passed: passed.len(),
        passed_through_a_parent: passed.iter().filter(|name| through.contains(*name)).count(),
        of: types.len(),
        percent: of_all(matrix, passed.len(), types.len()),
    })
}

/// A percentage, once it is known how many types there are.
fn of_all(matrix: &Matrix<'_>, passed: usize, of: usize) -> Option<f64> {
    matrix
        .missing
        .is_empty()
        .then(|| percent(passed, of))
        .flatten()
}

/// Whether each type passes in a column. One that several names led to passes when it does under each of them.
fn types<'a>(
    matrix: &Matrix<'a>,
    column: Column,
    counts: impl Fn(&Row) -> bool,
) -> BTreeMap<&'a str, bool> {
    let mut types = BTreeMap::new();
    for row in matrix.rows.iter().filter(|row| counts(row)) {
        if let Some(cell) = Cell::of(row, column) {
            *types.entry(row.model_type.as_str()).or_insert(true) &= cell.passed();
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use portwright_core::ModelType;

    use super::{super::samples::*, *};

    #[test]
    fn bases_and_tasks_have_an_auto_class_and_parts_have_none() {
        let sweep = sweep(&["bert", "detr", "clip_vision", "lost"]);
        let rows = [
            row("bert"),
            Row {
                kind: Kind::Task,
                verdicts: vec![failed(TORCH, "x", None)],
                ..row("detr")
            },
            part("clip_vision", "clip"),
            Row {
                kind: Kind::Part,
                ..row("lost")
            },
        ];
        let goals = Goals::new(&Matrix::new(&sweep, &rows));
        assert_eq!((goals.auto_class[0].passed, goals.auto_class[0].of), (1, 2));
        let parts = goals.parts.unwrap();
        assert_eq!((parts.passed, parts.of), (2, 2));
        assert_eq!(parts.passed_through_a_parent, 1);
        assert!(goals.complete && goals.generation.is_empty());
    }

    #[test]
    fn a_type_under_two_names_counts_once_and_passes_when_both_do() {
        let sweep = sweep(&["t5", "FLAN-T5"]);
        let flan = |verdicts| Row {
            model_type: ModelType::new("t5"),
            verdicts,
            ..row("FLAN-T5")
        };
        let share = |rows: &[Row]| {
            let share = Goals::new(&Matrix::new(&sweep, rows)).auto_class.remove(0);
            (share.passed, share.of)
        };
        assert_eq!(share(&[row("t5"), flan(vec![pass(TORCH)])]), (1, 1));
        let half = [row("t5"), flan(vec![failed(TORCH, "x", None)])];
        assert_eq!(share(&half), (0, 1));
    }

    #[test]
    fn an_unfinished_sweep_reaches_no_share_of_a_goal() {
        let sweep = sweep(&["bert", "gpt2"]);
        let rows = [row("bert")];
        let goals = Goals::new(&Matrix::new(&sweep, &rows));
        assert!(!goals.complete);
        assert_eq!((goals.auto_class[0].passed, goals.auto_class[0].of), (1, 1));
        assert_eq!(goals.auto_class[0].percent, None);
    }

    #[test]
    fn parts_are_not_judged_where_torch_was_not_asked_for() {
        let sweep = sweep(&["clip_vision"]);
        let rows = [Row {
            verdicts: vec![pass(ONNX)],
            ..part("clip_vision", "clip")
        }];
        assert_eq!(Goals::new(&Matrix::new(&sweep, &rows)).parts, None);
    }
}

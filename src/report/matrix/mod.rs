//! The coverage matrix of a sweep, and what is counted and compared in it.
//!
//! Everything here is a plain function of rows that were read from the ledger: no input or output, no clock. What a
//! pass is, is decided in one place ([`Cell::state`]), and every figure is made of that.

mod cell;
mod changes;
mod cost;
mod counts;
mod goals;
mod patterns;
#[cfg(test)]
pub mod samples;

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{Family, Kind, sweep::Row, verdict::BackendVerdict};
use portwright_ledger::Sweep;

pub use cell::{Cell, Check, Column, State};
pub use changes::{Change, Changes, Seen};
pub use cost::{Cost, Spread};
use counts::percent;
pub use counts::{Group, Tally};
pub use goals::{Goals, Share};
pub use patterns::Pattern;

/// A sweep and the rows that are counted.
pub struct Matrix<'a> {
    pub sweep: &'a Sweep,
    /// The ports first, then generation, each in the order in which backends are shown.
    pub columns: Vec<Column>,
    /// One row per name that has ended, in the order in which the names were asked for.
    pub rows: Vec<&'a Row>,
    /// Names without a row.
    pub missing: Vec<&'a str>,
}

impl<'a> Matrix<'a> {
    /// The rows of the names that were asked for, each once. A row that nobody asked for counts nowhere, so that no
    /// figure can exceed what was asked.
    pub fn new(sweep: &'a Sweep, rows: &'a [Row]) -> Self {
        let by_name: BTreeMap<&str, &Row> =
            rows.iter().map(|row| (row.name.as_str(), row)).collect();
        let mut seen = BTreeSet::new();
        let (mut kept, mut missing) = (Vec::new(), Vec::new());
        for name in sweep.names.iter().map(String::as_str) {
            if !seen.insert(name) {
                continue;
            }
            match by_name.get(name) {
                Some(row) => kept.push(*row),
                None => missing.push(name),
            }
        }
        Self {
            sweep,
            columns: columns(&kept),
            rows: kept,
            missing,
        }
    }

    /// How many names were asked for.
    pub fn asked(&self) -> usize {
        self.rows.len() + self.missing.len()
    }

    /// Whether every name has its row and the sweep has ended.
    pub fn finished(&self) -> bool {
        self.missing.is_empty() && self.sweep.finished_ms.is_some()
    }

    /// Every cell that does not pass, by name and column.
    pub fn not_passed(&self) -> impl Iterator<Item = (&'a Row, Column, Cell<'a>)> {
        self.rows
            .iter()
            .flat_map(|row| {
                self.columns
                    .iter()
                    .filter_map(|column| Some((*row, *column, Cell::of(row, *column)?)))
            })
            .filter(|(_, _, cell)| !cell.passed())
    }

    /// The releases of everything that ran, by name, as the evidence of the passes has them.
    pub fn versions(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, version) in self.evidence().flat_map(|evidence| &evidence.versions) {
            versions.entry(name).or_default().insert(version);
        }
        versions
    }

    /// The versions of the judge that gave the passes.
    pub fn judge_versions(&self) -> BTreeSet<u32> {
        self.evidence()
            .map(|evidence| evidence.judge_version)
            .collect()
    }

    fn evidence(&self) -> impl Iterator<Item = &'a portwright_core::Evidence> {
        self.rows
            .iter()
            .flat_map(|row| row.verdicts.iter().chain(&row.generation))
            .filter_map(|verdict| verdict.evidence.as_ref())
    }
}

/// The columns that any row has.
fn columns(rows: &[&Row]) -> Vec<Column> {
    let of = |check: Check, verdicts: &[BackendVerdict]| {
        verdicts
            .iter()
            .map(|verdict| Column {
                check,
                backend: verdict.backend,
            })
            .collect::<Vec<_>>()
    };
    let all: BTreeSet<Column> = rows
        .iter()
        .flat_map(|row| {
            let mut found = of(Check::Port, &row.verdicts);
            found.extend(of(Check::Generation, &row.generation));
            found
        })
        .collect();
    all.into_iter().collect()
}

/// All that is made of a sweep.
pub struct Report<'a> {
    pub matrix: Matrix<'a>,
    pub goals: Goals,
    /// One tally per column, over every name that was asked for.
    pub totals: Vec<Tally>,
    pub families: Vec<Group<Family>>,
    pub kinds: Vec<Group<Kind>>,
    pub patterns: Vec<Pattern<'a>>,
    /// `None` where there is no sweep to compare with.
    pub changes: Option<Changes<'a>>,
    pub cost: Cost,
}

impl<'a> Report<'a> {
    /// The report on a sweep, compared with an earlier one where there is one.
    pub fn new(sweep: &'a Sweep, rows: &'a [Row], earlier: Option<(&'a Sweep, &'a [Row])>) -> Self {
        let matrix = Matrix::new(sweep, rows);
        Self {
            goals: Goals::new(&matrix),
            totals: counts::totals(&matrix),
            families: counts::by(&matrix, &Family::ALL, |row| row.family),
            kinds: counts::by(&matrix, &Kind::ALL, |row| row.kind),
            patterns: patterns::patterns(&matrix),
            changes: earlier
                .map(|(sweep, rows)| Changes::between(&Matrix::new(sweep, rows), &matrix)),
            cost: Cost::new(&matrix),
            matrix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};

    #[test]
    fn a_name_without_a_row_is_missing_and_a_row_that_nobody_asked_for_is_left_out() {
        let sweep = sweep(&["bert", "gpt2", "bert"]);
        let rows = [row("bert"), row("vit")];
        let matrix = Matrix::new(&sweep, &rows);
        assert_eq!(matrix.asked(), 2);
        assert_eq!(matrix.missing, ["gpt2"]);
        assert_eq!(matrix.rows.len(), 1);
        assert_eq!(matrix.rows[0].name, "bert");
        assert!(!matrix.finished());
    }

    #[test]
    fn columns_are_the_ports_first_and_then_generation() {
        let sweep = sweep(&["bert", "gpt2"]);
        let rows = [
            Row {
                verdicts: vec![pass(ONNX), pass(TORCH)],
                ..row("bert")
            },
            Row {
                generation: vec![pass(TORCH)],
                ..row("gpt2")
            },
        ];
        let names: Vec<String> = Matrix::new(&sweep, &rows)
            .columns
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["torch-cpu", "onnxruntime", "torch-cpu generation"]);
    }

    #[test]
    fn versions_are_gathered_from_the_evidence() {
        let sweep = sweep(&["bert"]);
        let rows = [Row {
            verdicts: vec![pass(ONNX)],
            ..row("bert")
        }];
        let matrix = Matrix::new(&sweep, &rows);
        assert_eq!(matrix.versions()["onnxruntime"], BTreeSet::from(["1.31.1"]));
        assert_eq!(matrix.judge_versions(), BTreeSet::from([1]));
    }
}

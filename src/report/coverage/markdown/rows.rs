//! The matrix itself, one table per family.

use std::collections::BTreeSet;

use portwright_core::{Family, sweep::Row};

use super::{Page, text, words};
use crate::report::matrix::{Cell, Column, Report, State};

/// How much of a signature a cell shows; the details have all of it.
const SIGNATURE: usize = 48;

pub fn write(page: &mut Page, report: &Report<'_>) {
    let matrix = &report.matrix;
    if matrix.rows.is_empty() {
        return;
    }
    page.heading("The matrix");
    page.paragraph(
        "A cell is `pass`, with the kinds of what it leaves open in parentheses; else the stage at which it failed \
         and the beginning of its signature, or the verdict and its stage. An empty cell of generation belongs to a \
         type that does not generate. [What does not pass](#what-does-not-pass) has every cause in full.",
    );
    for family in Family::ALL {
        let rows: Vec<&Row> = matrix
            .rows
            .iter()
            .copied()
            .filter(|row| row.family == family)
            .collect();
        if rows.is_empty() {
            continue;
        }
        page.block(format!("### {family} ({})", rows.len()));
        let columns: Vec<Column> = matrix
            .columns
            .iter()
            .copied()
            .filter(|column| rows.iter().any(|row| Cell::of(row, *column).is_some()))
            .collect();
        let mut header = words(&["name", "kind", "class"]);
        header.extend(columns.iter().map(ToString::to_string));
        let lines: Vec<Vec<String>> = rows.iter().map(|row| line(row, &columns)).collect();
        page.table(&header, &lines);
    }
}

fn line(row: &Row, columns: &[Column]) -> Vec<String> {
    let mut name = text::code(&row.name);
    if row.model_type.as_str() != row.name {
        name.push_str(&format!(" ({})", text::code(row.model_type.as_str())));
    }
    let mut kind = row.kind.to_string();
    if let Some(through) = &row.through {
        let types = through.types().iter().map(|it| text::code(it.as_str()));
        kind.push_str(&format!(
            " through {}",
            types.collect::<Vec<_>>().join(", ")
        ));
    }
    let class = row.class.as_deref().map(text::code).unwrap_or_default();
    let mut cells = vec![name, kind, class];
    cells.extend(columns.iter().map(|column| cell(row, *column)));
    cells
}

fn cell(row: &Row, column: Column) -> String {
    let Some(cell) = Cell::of(row, column) else {
        return String::new();
    };
    let word = cell.state().as_str();
    match (cell.state(), cell.finding()) {
        (State::Not(portwright_core::Verdict::Fail), Some(finding)) => {
            let signature = portwright_core::text::cut(&finding.signature.0, SIGNATURE);
            format!("{}: {}", finding.stage, text::code(&signature))
        }
        (State::Not(_), Some(finding)) => format!("{word} ({})", finding.stage),
        (State::Passed { .. }, _) => match kinds(&cell) {
            kinds if kinds.is_empty() => "pass".to_owned(),
            kinds => format!("pass ({kinds})"),
        },
        _ => word.to_owned(),
    }
}

/// The kinds of what a pass leaves open, each once.
fn kinds(cell: &Cell<'_>) -> String {
    let limits = cell.evidence().into_iter().flat_map(|it| &it.limits);
    let kinds: BTreeSet<&str> = limits.map(|limit| limit.kind.as_str()).collect();
    Vec::from_iter(kinds).join(", ")
}

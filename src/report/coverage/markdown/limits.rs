//! What the passes leave open, by kind.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::LimitKind;

use super::{MOST_NAMES, Page, text, words};
use crate::report::matrix::{Cell, Column, Report};

/// One line per kind and column: how many passes have such a limit, and which.
pub fn write(page: &mut Page, report: &Report<'_>) {
    let mut found: BTreeMap<(LimitKind, Column), BTreeSet<&str>> = BTreeMap::new();
    let matrix = &report.matrix;
    for row in &matrix.rows {
        for column in &matrix.columns {
            let cell = Cell::of(row, *column).filter(Cell::passed);
            let evidence = cell.and_then(|cell| cell.evidence());
            for limit in evidence.into_iter().flat_map(|it| &it.limits) {
                let names = found.entry((limit.kind, *column)).or_default();
                names.insert(&row.name);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    page.heading("What the passes leave open");
    page.paragraph(
        "Passes by the [kind of limit](reference/verdict.md#limits) that their evidence states. `--format json` has every \
         sentence.",
    );
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|((kind, column), names)| {
            vec![
                kind.to_string(),
                column.to_string(),
                names.len().to_string(),
                text::names(&Vec::from_iter(names.iter().copied()), MOST_NAMES),
            ]
        })
        .collect();
    page.table(&words(&["limit", "backend", "passes", "names"]), &rows);
}

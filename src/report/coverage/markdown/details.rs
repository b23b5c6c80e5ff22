//! Causes: by frequency, and name by name with what to do.

use std::collections::BTreeMap;

use super::{MOST_NAMES, Page, text, words};
use crate::report::matrix::{Cell, Column, Report};

pub fn patterns(page: &mut Page, report: &Report<'_>) {
    if report.patterns.is_empty() {
        return;
    }
    page.heading("Error patterns");
    page.paragraph(
        "Names that were stopped by the same cause on the same backend, the most frequent first. A \
         [signature](reference/verdict.md#signatures) is an error without numbers, paths and quoted names.",
    );
    let rows: Vec<Vec<String>> = report
        .patterns
        .iter()
        .map(|pattern| {
            let column = Column {
                check: pattern.check,
                backend: pattern.backend,
            };
            vec![
                pattern.count.to_string(),
                column.to_string(),
                pattern
                    .stage
                    .map(|stage| stage.to_string())
                    .unwrap_or_default(),
                text::code(pattern.signature),
                text::names(&pattern.names, MOST_NAMES),
            ]
        })
        .collect();
    page.table(
        &words(&["count", "backend", "stage", "signature", "names"]),
        &rows,
    );
}

/// Everything that does not pass; backends that one cause stopped share an entry.
pub fn write(page: &mut Page, report: &Report<'_>) {
    let mut entries: BTreeMap<(usize, usize), Entry> = BTreeMap::new();
    let mut places: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (row, column, cell) in report.matrix.not_passed() {
        let next = numbers.len();
        let number = *numbers.entry(&row.name).or_insert(next);
        let stage = cell
            .finding()
            .map(|finding| format!(" at {}", finding.stage));
        let what = format!("{}{}", cell.state().as_str(), stage.unwrap_or_default());
        let message = text::plain(cell.message());
        // A hint that names the backend is another hint, so it is made of the first column that the cause stopped.
        let key = (
            row.name.clone(),
            format!("{what} {message} {}", given_hint(&cell)),
        );
        let position = entries.len();
        let place = *places.entry(key).or_insert((number, position));
        entries
            .entry(place)
            .or_insert_with(|| Entry {
                name: row.name.clone(),
                run: row.run.to_string(),
                columns: Vec::new(),
                what,
                message,
                hint: text::prose(&cell.hint(row, column)),
            })
            .columns
            .push(column);
    }
    if entries.is_empty() {
        return;
    }
    page.heading("What does not pass");
    let mut last = "";
    for entry in entries.values() {
        if entry.name != last {
            if !last.is_empty() {
                page.0.push('\n');
            }
            page.block(format!("### {}", text::code(&entry.name)));
            page.block(format!("Run {}.", text::code(&entry.run)));
            last = &entry.name;
        }
        page.0.push_str(&format!(
            "- **{}**: {}: {}\\\n  Next: {}\n",
            columns(&entry.columns),
            entry.what,
            entry.message,
            entry.hint
        ));
    }
    page.0.push('\n');
}

struct Entry {
    name: String,
    run: String,
    columns: Vec<Column>,
    what: String,
    message: String,
    hint: String,
}

fn given_hint<'a>(cell: &Cell<'a>) -> &'a str {
    cell.finding()
        .and_then(|finding| finding.hint.as_deref())
        .unwrap_or_default()
}

fn columns(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    names.join(", ")
}

//! What changed since the sweep before, with what was lost first.

use super::{MOST_NAMES, Page, text};
use crate::report::matrix::{Change, Changes, Check, Column, Report, Seen};

pub fn write(page: &mut Page, report: &Report<'_>) {
    page.heading("What changed");
    let Some(changes) = &report.changes else {
        page.paragraph("There is no earlier finished sweep to compare with.");
        return;
    };
    page.paragraph(format!(
        "Since {}, with Transformers {}.",
        text::code(changes.since.as_str()),
        text::plain(changes.library_version)
    ));
    cells(
        page,
        "Regressions: passed and do not now",
        &changes.newly_failing,
    );
    cells(page, "Newly passing", &changes.newly_passing);
    cells(page, "Otherwise changed", &changes.otherwise_changed);
    rest(page, changes);
}

fn cells(page: &mut Page, title: &str, changes: &[Change<'_>]) {
    if changes.is_empty() {
        return;
    }
    page.block(format!("### {title} ({})", changes.len()));
    page.list(changes.iter().map(|change| {
        format!(
            "{} on {}: {} → {}",
            text::code(change.name),
            Column {
                check: change.check,
                backend: change.backend
            },
            seen(&change.before),
            seen(&change.after)
        )
    }));
}

fn seen(seen: &Seen<'_>) -> String {
    let Some(verdict) = seen.verdict else {
        return "no verdict".to_owned();
    };
    let word = match (seen.passed, seen.dynamic) {
        (true, Some(false)) => "pass (static)",
        (true, _) => "pass",
        (false, _) if verdict == portwright_core::Verdict::Pass => "pass without evidence",
        (false, _) => verdict.as_str(),
    };
    match (seen.stage, seen.signature) {
        (Some(stage), Some(signature)) if !seen.passed => {
            format!("{word} at {stage}: {}", text::code(signature))
        }
        _ => word.to_owned(),
    }
}

/// Names that came and went, and what could not be compared.
fn rest(page: &mut Page, changes: &Changes<'_>) {
    let columns: Vec<String> = changes
        .columns_not_compared
        .iter()
        .map(|column| match column.check {
            Check::Port => column.backend.to_string(),
            Check::Generation => format!("{} generation", column.backend),
        })
        .collect();
    let mut items = Vec::new();
    for (what, names) in [
        ("New names", &changes.new_names),
        ("Gone names", &changes.gone_names),
        (
            "Not compared, since one of the sweeps has no row",
            &changes.names_not_compared,
        ),
    ] {
        if !names.is_empty() {
            items.push(format!(
                "{what} ({}): {}",
                names.len(),
                text::names(names, MOST_NAMES)
            ));
        }
    }
    if !columns.is_empty() {
        items.push(format!(
            "Not compared, since only one of the sweeps has it: {}",
            columns.join(", ")
        ));
    }
    let unchanged = changes.newly_failing.is_empty()
        && changes.newly_passing.is_empty()
        && changes.otherwise_changed.is_empty();
    if unchanged {
        items.insert(0, "No verdict changed.".to_owned());
    }
    if !items.is_empty() {
        page.list(items);
    }
}

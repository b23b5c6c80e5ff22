//! What the page is about, and what must not be overlooked.

use chrono::DateTime;

use super::{MOST_NAMES, Page, count, text, words};
use crate::report::matrix::Report;

pub fn write(page: &mut Page, report: &Report<'_>) {
    page.block("<!-- Written by `portwright report`; do not edit it by hand. -->");
    page.block("# Coverage");
    let matrix = &report.matrix;
    let sweep = matrix.sweep;
    let judges: Vec<String> = matrix
        .judge_versions()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut facts = vec![
        ("Transformers", text::plain(&sweep.library_version)),
        ("sweep", text::code(sweep.id.as_str())),
        ("begun", utc(sweep.started_ms)),
        ("ended", sweep.finished_ms.map_or("not yet".to_owned(), utc)),
        (
            "names",
            format!("{} asked for, {} ended", matrix.asked(), matrix.rows.len()),
        ),
        ("judge", judges.join(", ")),
        ("ran with", versions(report)),
        (
            "written by",
            format!("Portwright {}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let rows: Vec<Vec<String>> = facts
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value])
        .collect();
    page.table(&words(&["", ""]), &rows);
    unfinished(page, report);
    regressions(page, report);
}

fn unfinished(page: &mut Page, report: &Report<'_>) {
    let matrix = &report.matrix;
    if matrix.finished() {
        return;
    }
    let missing = &matrix.missing;
    let what = if missing.is_empty() {
        "every name has its row, but the sweep has not been ended".to_owned()
    } else {
        format!(
            "{} of the {} asked for {} missing: {}",
            count(missing.len(), "name"),
            matrix.asked(),
            if missing.len() == 1 { "is" } else { "are" },
            text::names(missing, MOST_NAMES)
        )
    };
    page.notice(format!(
        "**This sweep is unfinished**: {what}. No figure below is final. The same `portwright sweep` goes on where it \
         stopped."
    ));
    if matrix.rows.is_empty() {
        page.paragraph("No name has ended yet.");
    }
}

fn regressions(page: &mut Page, report: &Report<'_>) {
    let Some(changes) = &report.changes else {
        return;
    };
    if changes.newly_failing.is_empty() {
        return;
    }
    let mut names: Vec<&str> = changes.newly_failing.iter().map(|c| c.name).collect();
    names.dedup();
    page.notice(format!(
        "**{} since {}**: {}. [What changed](#what-changed) has the causes.",
        count(changes.newly_failing.len(), "regression"),
        text::code(changes.since.as_str()),
        text::names(&names, MOST_NAMES)
    ));
}

fn versions(report: &Report<'_>) -> String {
    let versions: Vec<String> = report
        .matrix
        .versions()
        .into_iter()
        .map(|(name, versions)| {
            let versions: Vec<&str> = versions.into_iter().collect();
            text::plain(&format!("{name} {}", versions.join(" and ")))
        })
        .collect();
    versions.join(", ")
}

/// `2026-11-22 03:30 UTC`.
fn utc(unix_ms: u64) -> String {
    i64::try_from(unix_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .map_or_else(
            || format!("{unix_ms} ms after 1970"),
            |time| time.format("%Y-%m-%d %H:%M UTC").to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_aloud_and_nonsense_is_shown_as_it_is() {
        assert_eq!(utc(1_795_318_200_000), "2026-11-22 03:30 UTC");
        assert_eq!(utc(u64::MAX), "18446744073709551615 ms after 1970");
    }
}

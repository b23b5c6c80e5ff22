//! The figures: totals, goals, and counts by kind and family.

use std::fmt::Display;

use super::{Page, share, words};
use crate::report::matrix::{Check, Group, Report, Share, Tally};

/// What all figures rest on.
const RULES: &str = "A pass was executed, and agrees with eager PyTorch on every input set \
    ([what that means](reference/verdict.md#what-a-pass-means)). Each percentage is of *every* name that was asked \
    for, and in the columns of generation of every one that generates. What was only converted, what is unavailable or \
    unsupported, and what has no verdict count as asked for and never as passed. Percentages are rounded down, \
    and while names are missing only the totals have one: nobody knows yet to which of the other figures those belong. \
    Passes *without limits* are those of which the judge states nothing that they leave open; *static* are those whose artefact \
    has fixed axes only.";

pub fn totals(page: &mut Page, report: &Report<'_>) {
    page.heading("Totals");
    page.paragraph(RULES);
    if !report.totals.is_empty() {
        verdicts(page, &report.totals);
    }
    goals(page, report);
}

/// One line per column; verdicts that nothing has are left out.
fn verdicts(page: &mut Page, totals: &[Tally]) {
    type Figure = (&'static str, fn(&Tally) -> usize);
    let figures: [Figure; 11] = [
        ("without limits", |tally| tally.passed_without_limits),
        ("static", |tally| tally.passed_static),
        ("fail", |tally| tally.fail),
        ("timed out", |tally| tally.timed_out),
        ("crashed", |tally| tally.crashed),
        ("out of memory", |tally| tally.out_of_memory),
        ("converted", |tally| tally.converted),
        ("unavailable", |tally| tally.unavailable),
        ("unsupported", |tally| tally.unsupported),
        ("pass without evidence", |tally| tally.unproven),
        ("no verdict", |tally| tally.missing),
    ];
    let shown: Vec<Figure> = figures
        .into_iter()
        .filter(|(_, figure)| totals.iter().any(|tally| figure(tally) > 0))
        .collect();
    let mut header = words(&["backend", "pass"]);
    header.extend(shown.iter().map(|(name, _)| (*name).to_owned()));
    let rows: Vec<Vec<String>> = totals
        .iter()
        .map(|tally| {
            let mut cells = vec![column(tally), passes(tally)];
            cells.extend(shown.iter().map(|(_, figure)| figure(tally).to_string()));
            cells
        })
        .collect();
    page.table(&header, &rows);
}

fn goals(page: &mut Page, report: &Report<'_>) {
    let goals = &report.goals;
    let backends: Vec<&Share> = goals.auto_class.iter().collect();
    if backends.is_empty() {
        return;
    }
    let mut header = words(&["goal, in model types"]);
    header.extend(backends.iter().map(|share| share.backend.to_string()));
    let line = |what: &str, shares: &[Share]| {
        let mut cells = words(&[what]);
        cells.extend(backends.iter().map(|column| {
            shares
                .iter()
                .find(|share| share.backend == column.backend)
                .map(|found| share(found.passed, found.of, found.percent))
                .unwrap_or_default()
        }));
        cells
    };
    let mut rows = vec![line(
        "types with an auto class (base and task)",
        &goals.auto_class,
    )];
    if let Some(parts) = &goals.parts {
        let mut figure = share(parts.passed, parts.of, parts.percent);
        if parts.passed_through_a_parent > 0 {
            figure.push_str(&format!(
                ", {} through a parent",
                parts.passed_through_a_parent
            ));
        }
        let mut cells = words(&["parts, on torch-cpu"]);
        cells.extend(backends.iter().map(|share| {
            if share.backend == portwright_core::Backend::TORCH_CPU {
                figure.clone()
            } else {
                String::new()
            }
        }));
        rows.push(cells);
    }
    if !goals.generation.is_empty() {
        rows.push(line("types that generate, with a cache", &goals.generation));
    }
    page.table(&header, &rows);
}

pub fn groups(page: &mut Page, report: &Report<'_>) {
    if report.totals.is_empty() {
        return;
    }
    page.heading("By kind and family");
    page.paragraph(
        "A *base* type has a class under `AutoModel`, a *task* type under another auto class only, and a *part* under \
         none: it is a nested configuration of other types.",
    );
    group(page, "kind", &report.kinds);
    group(page, "family", &report.families);
}

fn group<K: Display>(page: &mut Page, what: &str, groups: &[Group<K>]) {
    let mut header = words(&[what, "names"]);
    if let Some(first) = groups.first() {
        header.extend(first.tallies.iter().map(column));
    }
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            let name = group
                .group
                .as_ref()
                .map_or("not ended yet".to_owned(), ToString::to_string);
            let mut cells = vec![name, group.names.to_string()];
            cells.extend(group.tallies.iter().map(passes));
            cells
        })
        .collect();
    page.table(&header, &rows);
}

fn column(tally: &Tally) -> String {
    match tally.check {
        Check::Port => tally.backend.to_string(),
        Check::Generation => format!("{} generation", tally.backend),
    }
}

fn passes(tally: &Tally) -> String {
    share(tally.passed, tally.asked, tally.percent)
}

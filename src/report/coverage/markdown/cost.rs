//! What the sweep cost.

use super::{Page, text, words};
use crate::report::matrix::{Report, Spread};

pub fn write(page: &mut Page, report: &Report<'_>) {
    let cost = &report.cost;
    if report.matrix.rows.is_empty() {
        return;
    }
    page.heading("Cost");
    let mut notes = vec![match cost.sweep_seconds {
        Some(seconds) => format!("The sweep took {} on the clock.", hours(seconds)),
        None => "The sweep has not ended.".to_owned(),
    }];
    if cost.reused > 0 {
        notes.push(format!(
            "{} of {} rows were found in the ledger: what they cost was paid before.",
            cost.reused,
            report.matrix.rows.len()
        ));
    }
    notes.push("Medians and 90th percentiles are over the names that took the step.".to_owned());
    page.paragraph(notes.join(" "));
    let mut rows = Vec::new();
    let mut add = |what: String, spread: &Option<Spread>, show: fn(f64) -> String, sum: bool| {
        if let Some(spread) = spread {
            rows.push(vec![
                what,
                spread.names.to_string(),
                show(spread.median),
                show(spread.p90),
                show(spread.max),
                if sum { show(spread.sum) } else { String::new() },
            ]);
        }
    };
    add("time on the clock".into(), &cost.seconds, seconds, true);
    add(
        "largest resident memory".into(),
        &cost.peak_resident_bytes,
        mebibytes,
        // The sum of peaks that were not met at once means nothing.
        false,
    );
    add("CPU time".into(), &cost.cpu_seconds, seconds, true);
    for step in &cost.steps {
        let what = format!("CPU time of {}", text::code(&step.step));
        add(what, &Some(step.cpu_seconds), seconds, true);
    }
    page.table(
        &words(&["per name", "names", "median", "p90", "most", "sum"]),
        &rows,
    );
}

fn seconds(value: f64) -> String {
    format!("{value:.1} s")
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}

fn hours(value: f64) -> String {
    let minutes = value / 60.0;
    if minutes < 120.0 {
        format!("{minutes:.1} minutes")
    } else {
        format!("{:.1} hours", minutes / 60.0)
    }
}

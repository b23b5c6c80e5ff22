//! The matrix as CSV: one line per name and column.

use std::collections::BTreeSet;

use csv::{Terminator, WriterBuilder};
use portwright_core::{
    sweep::{Row, Through},
    text,
};

use crate::report::matrix::{Cell, Check, Column, Report};

/// The columns of the file, in order.
const HEADER: [&str; 32] = [
    "sweep",
    "library_version",
    "name",
    "model_type",
    "kind",
    "family",
    "through",
    "class",
    "run",
    "reused",
    "check",
    "backend",
    "verdict",
    "passed",
    "axes",
    "limits",
    "stage",
    "signature",
    "message",
    "hint",
    "device",
    "provider",
    "nodes_on_provider",
    "nodes",
    "worst_output",
    "worst_difference",
    "worst_allowed",
    "artefact",
    "plan",
    "judge_version",
    "seconds",
    "peak_resident_bytes",
];

/// The whole file, its header first.
pub fn render(report: &Report<'_>) -> Result<String, csv::Error> {
    let matrix = &report.matrix;
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for row in &matrix.rows {
        for column in &matrix.columns {
            if let Some(cell) = Cell::of(row, *column) {
                writer.write_record(line(report, row, *column, &cell))?;
            }
        }
    }
    let mut ports: Vec<&str> = matrix
        .columns
        .iter()
        .filter(|column| column.check == Check::Port)
        .map(|column| column.backend.as_str())
        .collect();
    if ports.is_empty() {
        // Nothing has ended, so no backend is known; the names are listed all the same.
        ports.push("");
    }
    for name in &matrix.missing {
        for port in &ports {
            writer.write_record(missing(report, name, port))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    // Every field was a string.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn line(report: &Report<'_>, row: &Row, column: Column, cell: &Cell<'_>) -> Vec<String> {
    let sweep = report.matrix.sweep;
    let passed = cell.passed();
    let evidence = cell.evidence().filter(|_| passed);
    let finding = cell.finding().filter(|_| !passed);
    let worst = evidence.and_then(|evidence| evidence.worst());
    let of_evidence =
        |value: fn(&portwright_core::Evidence) -> String| evidence.map(value).unwrap_or_default();
    let (message, hint) = if passed {
        (String::new(), String::new())
    } else {
        (cell.message().to_owned(), cell.hint(row, column))
    };
    let through = row.through.as_ref();
    let fields = [
        sweep.id.to_string(),
        sweep.library_version.clone(),
        row.name.clone(),
        row.model_type.to_string(),
        row.kind.to_string(),
        row.family.to_string(),
        through.map(Through::to_string).unwrap_or_default(),
        row.class.clone().unwrap_or_default(),
        row.run.to_string(),
        row.reused.to_string(),
        column.check.as_str().to_owned(),
        column.backend.to_string(),
        cell.verdict
            .map_or("missing", |v| v.verdict.as_str())
            .replace(' ', "-"),
        passed.to_string(),
        of_evidence(|e| if e.dynamic { "free" } else { "static" }.to_owned()),
        of_evidence(|e| {
            let kinds: BTreeSet<&str> = e.limits.iter().map(|limit| limit.kind.as_str()).collect();
            Vec::from_iter(kinds).join(" ")
        }),
        finding.map(|f| f.stage.to_string()).unwrap_or_default(),
        cell.signature().to_owned(),
        message,
        hint,
        of_evidence(|e| e.device.clone()),
        of_evidence(|e| e.placement.provider.clone()),
        of_evidence(|e| e.placement.nodes_on_provider.to_string()),
        of_evidence(|e| e.placement.nodes.to_string()),
        worst.map(|output| output.name.clone()).unwrap_or_default(),
        worst
            .map(|output| number(output.difference))
            .unwrap_or_default(),
        worst
            .map(|output| number(output.allowed))
            .unwrap_or_default(),
        of_evidence(|e| e.artefact.to_string()),
        of_evidence(|e| e.plan.to_string()),
        of_evidence(|e| e.judge_version.to_string()),
        row.seconds.to_string(),
        row.peak_resident_bytes.to_string(),
    ];
    fields.iter().map(|field| safe(field)).collect()
}

/// The line of a name that has not ended.
fn missing(report: &Report<'_>, name: &str, backend: &str) -> Vec<String> {
    let sweep = report.matrix.sweep;
    HEADER
        .iter()
        .map(|field| match *field {
            "sweep" => sweep.id.to_string(),
            "library_version" => sweep.library_version.clone(),
            "name" => name.to_owned(),
            "check" => Check::Port.as_str().to_owned(),
            "backend" => backend.to_owned(),
            "verdict" => "missing".to_owned(),
            "passed" => "false".to_owned(),
            "message" => "the sweep has not ended this name".to_owned(),
            "hint" => "the same `portwright sweep` goes on where it stopped".to_owned(),
            _ => String::new(),
        })
        .map(|field| safe(&field))
        .collect()
}

/// A number that keeps every digit.
fn number(value: f64) -> String {
    format!("{value:e}")
}

/// A field in one line that no spreadsheet takes for a formula: those begin with one of a few characters, which an
/// apostrophe turns into text.
fn safe(field: &str) -> String {
    let line = text::line(field);
    if line.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        format!("'{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::Sample, *};

    fn records(text: &str) -> Vec<csv::StringRecord> {
        csv::Reader::from_reader(text.as_bytes())
            .records()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn the_file_of_a_finished_sweep() {
        insta::assert_snapshot!(render(&Sample::new().report()).unwrap());
    }

    #[test]
    fn every_name_has_a_line_for_every_backend_whether_it_ended_or_not() {
        let text = render(&Sample::unfinished().report()).unwrap();
        let place = |name| HEADER.iter().position(|field| *field == name).unwrap();
        let ports: Vec<_> = records(&text)
            .into_iter()
            .filter(|record| &record[place("check")] == "port")
            .collect();
        assert_eq!(ports.len(), 6 * 3);
        let missing = ports
            .iter()
            .filter(|record| &record[place("verdict")] == "missing")
            .count();
        assert_eq!(missing, 3 * 3);
        // Lines are records: nothing spans two.
        assert_eq!(text.lines().count(), records(&text).len() + 1);
    }

    #[test]
    fn a_sweep_of_which_nothing_has_ended_lists_its_names() {
        let sweep = crate::report::matrix::samples::sweep(&["bert"]);
        let text = render(&Report::new(&sweep, &[], None)).unwrap();
        assert_eq!(records(&text).len(), 1);
        assert!(text.contains(",bert,"), "{text}");
    }

    #[test]
    fn no_field_is_a_formula() {
        let text = render(&Sample::new().report()).unwrap();
        assert!(text.contains("'=cmd"));
        for record in records(&text) {
            for field in &record {
                assert!(
                    !field.starts_with(['=', '+', '-', '@', '\t', '\r']),
                    "{field}"
                );
            }
        }
        assert_eq!(safe("\n=1+1"), "'=1+1");
        assert_eq!(safe("\u{7}=1+\u{202e}1"), r"\u{7}=1+\u{202e}1");
        assert_eq!(safe(" @sum"), "'@sum");
        assert_eq!(safe("1e-7"), "1e-7");
    }
}

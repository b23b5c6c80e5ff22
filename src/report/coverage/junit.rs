//! The matrix as JUnit XML: one suite per backend, one case per name, and one more per name that generates.

use std::collections::BTreeSet;

use chrono::DateTime;
use portwright_core::{Backend, Verdict, sweep::Row, text};
use quick_junit::{
    NonSuccessKind, Property, Report as Xml, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use crate::report::matrix::{Cell, Check, Column, Report, State};

/// The whole file.
pub fn render(report: &Report<'_>) -> Result<String, SerializeError> {
    let matrix = &report.matrix;
    let mut xml = Xml::new("portwright");
    let backends: BTreeSet<Backend> = matrix.columns.iter().map(|c| c.backend).collect();
    for backend in &backends {
        xml.add_test_suite(suite(report, Some(*backend)));
    }
    if backends.is_empty() {
        // Nothing has ended, so no backend is known; what is missing must be an error all the same.
        xml.add_test_suite(suite(report, None));
    }
    xml.to_string()
}

fn suite(report: &Report<'_>, backend: Option<Backend>) -> TestSuite {
    let matrix = &report.matrix;
    let suite_name = backend.map_or("sweep", Backend::as_str);
    let mut suite = TestSuite::new(suite_name);
    let started = i64::try_from(matrix.sweep.started_ms).ok();
    if let Some(time) = started.and_then(DateTime::from_timestamp_millis) {
        suite.set_timestamp(time);
    }
    suite.add_property(Property::new("sweep", valid(matrix.sweep.id.as_str())));
    suite.add_property(Property::new(
        "library_version",
        valid(&matrix.sweep.library_version),
    ));
    for column in &matrix.columns {
        for row in &matrix.rows {
            let cell = Cell::of(row, *column).filter(|_| Some(column.backend) == backend);
            if let Some(cell) = cell {
                suite.add_test_case(case(row, *column, &cell));
            }
        }
    }
    for name in &matrix.missing {
        // An error and nothing milder: a gate must not open because a sweep was cut off.
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message("the sweep has not ended this name");
        status.set_type("missing");
        suite.add_test_case(named(name, format!("{suite_name}.missing"), status));
    }
    suite
}

fn case(row: &Row, column: Column, cell: &Cell<'_>) -> TestCase {
    let class = match column.check {
        Check::Port => format!("{}.{}", column.backend, row.family),
        Check::Generation => format!("{}.generation", column.backend),
    };
    let mut case = named(&row.name, class, status(row, column, cell));
    for (name, value) in properties(row, cell) {
        case.add_property(Property::new(name, valid(&value)));
    }
    case
}

fn named(name: &str, class: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(valid(name), status);
    case.set_classname(class);
    case
}

fn status(row: &Row, column: Column, cell: &Cell<'_>) -> TestCaseStatus {
    let mut status = match cell.state() {
        State::Passed { .. } => return TestCaseStatus::success(),
        State::Not(Verdict::Converted | Verdict::Unavailable | Verdict::Unsupported) => {
            TestCaseStatus::skipped()
        }
        State::Not(Verdict::Crashed | Verdict::TimedOut | Verdict::OutOfMemory)
        | State::Missing => TestCaseStatus::non_success(NonSuccessKind::Error),
        State::Not(Verdict::Fail | Verdict::Pass) | State::Unproven => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
    };
    let stage = cell.finding().map(|finding| finding.stage);
    let place = stage
        .map(|stage| format!(" at {stage}"))
        .unwrap_or_default();
    status.set_message(valid(&text::line(cell.message())));
    status.set_type(format!("{}{place}", cell.state().as_str()));
    status.set_description(valid(&format!(
        "{}\nsignature: {}\nnext: {}\nrun: {}",
        text::line(cell.message()),
        text::line(cell.signature()),
        text::line(&cell.hint(row, column)),
        row.run
    )));
    status
}

/// How good a pass is, and through what a part was exercised.
fn properties(row: &Row, cell: &Cell<'_>) -> Vec<(&'static str, String)> {
    let mut properties = Vec::new();
    if let Some(class) = &row.class {
        properties.push(("class", class.clone()));
    }
    if let Some(through) = &row.through {
        properties.push(("through", through.to_string()));
    }
    if let Some(evidence) = cell.evidence().filter(|_| cell.passed()) {
        let axes = if evidence.dynamic { "free" } else { "static" };
        properties.push(("axes", axes.to_owned()));
        properties.push(("artefact", evidence.artefact.to_string()));
        if let Some(output) = evidence.worst() {
            properties.push(("worst_difference", format!("{:e}", output.difference)));
            properties.push(("worst_allowed", format!("{:e}", output.allowed)));
        }
    }
    properties
}

/// The text without what XML cannot hold even escaped, and with what acts on a reader's terminal or page in writing.
fn valid(text: &str) -> String {
    text::visible(text)
        .chars()
        .map(|c| match c {
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::Finding;

    use super::{super::samples::Sample, *};
    use crate::report::matrix::samples;

    fn read_back(xml: &str) -> Xml {
        Xml::deserialize_from_str(xml).unwrap()
    }

    #[test]
    fn the_file_of_a_finished_sweep() {
        insta::assert_snapshot!(render(&Sample::new().report()).unwrap());
    }

    #[test]
    fn a_name_that_has_not_ended_is_an_error_in_every_suite() {
        let xml = read_back(&render(&Sample::unfinished().report()).unwrap());
        assert_eq!(xml.test_suites.len(), 3);
        for suite in xml.test_suites {
            let missing = suite.test_cases.iter().filter(|case| {
                matches!(&case.status, TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, ty: Some(ty), .. } if ty == "missing")
            });
            assert_eq!(missing.count(), 3);
        }
    }

    #[test]
    fn a_sweep_of_which_nothing_has_ended_is_not_green() {
        let sweep = samples::sweep(&["bert"]);
        let xml = read_back(&render(&Report::new(&sweep, &[], None)).unwrap());
        assert_eq!((xml.tests, xml.errors), (1, 1));
    }

    #[test]
    fn what_cannot_run_here_is_skipped_and_what_broke_off_is_an_error() {
        let kind = |verdict| {
            let sweep = samples::sweep(&["bert"]);
            let rows = [Row {
                verdicts: vec![samples::not_passed(
                    samples::ONNX,
                    verdict,
                    portwright_core::Stage::Load,
                    "x",
                    None,
                )],
                ..samples::row("bert")
            }];
            let xml = read_back(&render(&Report::new(&sweep, &rows, None)).unwrap());
            let suite = &xml.test_suites[0];
            (suite.failures, suite.errors, suite.skipped)
        };
        assert_eq!(kind(Verdict::Fail), (1, 0, 0));
        for verdict in [Verdict::Crashed, Verdict::TimedOut, Verdict::OutOfMemory] {
            assert_eq!(kind(verdict), (0, 1, 0));
        }
        for verdict in [
            Verdict::Converted,
            Verdict::Unavailable,
            Verdict::Unsupported,
        ] {
            assert_eq!(kind(verdict), (0, 0, 1));
        }
    }

    #[test]
    fn whatever_a_message_holds_the_file_is_valid() {
        let hostile: String = ('\0'..='\u{ff}')
            .chain(['\u{fffe}', '\u{ffff}', '\u{fdd0}'])
            .chain("]]> <![CDATA[ &amp; \u{1b}[31m".chars())
            .collect();
        let sweep = samples::sweep(&[&hostile]);
        let mut verdict = samples::failed(samples::ONNX, &hostile, Some(&hostile));
        if let Some(finding) = &mut verdict.finding {
            *finding = Finding {
                message: hostile.clone(),
                ..finding.clone()
            };
        }
        let rows = [Row {
            verdicts: vec![verdict],
            ..samples::row(&hostile)
        }];
        let xml = render(&Report::new(&sweep, &rows, None)).unwrap();
        let forbidden =
            |c: char| (c < ' ' && !"\t\n\r".contains(c)) || c == '\u{fffe}' || c == '\u{ffff}';
        assert!(!xml.contains(forbidden));
        assert!(!xml.contains(|c| text::is_hidden(c) && c != '\n' && c != '\t'));
        assert!(!xml.contains("]]>") && !xml.contains("<![CDATA["));
        assert_eq!(read_back(&xml).test_suites[0].failures, 1);
    }
}

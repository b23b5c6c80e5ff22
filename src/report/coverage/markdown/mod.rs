//! The report as a page for people: `docs/coverage.md` is one.

mod changes;
mod cost;
mod counts;
mod details;
mod head;
mod limits;
mod rows;

use std::fmt::Display;

use portwright_core::markdown as text;

use crate::report::matrix::Report;

/// How many names a cell of a table lists.
const MOST_NAMES: usize = 12;

/// The whole page.
pub fn render(report: &Report<'_>) -> String {
    let mut page = Page(String::new());
    head::write(&mut page, report);
    counts::totals(&mut page, report);
    changes::write(&mut page, report);
    counts::groups(&mut page, report);
    limits::write(&mut page, report);
    details::patterns(&mut page, report);
    rows::write(&mut page, report);
    details::write(&mut page, report);
    cost::write(&mut page, report);
    reproduce(&mut page);
    page.0
}

fn reproduce(page: &mut Page) {
    page.heading("How to make this page again");
    page.code(
        "portwright sweep                             # port every model type; a sweep that was cut off goes on\n\
         portwright report --output docs/coverage.md  # this page\n\
         portwright run NAME --backend BACKEND        # one row of it\n\
         portwright runs RUN --json                   # what happened in one row",
    );
    page.paragraph(
        "`--format json`, `csv` and `junit` give the same for machines, with nothing cut short. [How to read this \
         page](how-to/read-the-coverage.md) says what to do about a row.",
    );
}

/// A Markdown page that is being written. Each block ends with an empty line.
struct Page(String);

impl Page {
    fn block(&mut self, text: impl Display) {
        self.0.push_str(&format!("{text}\n\n"));
    }

    fn heading(&mut self, text: &str) {
        self.block(format!("## {text}"));
    }

    fn paragraph(&mut self, text: impl Display) {
        self.block(text);
    }

    /// A paragraph that stands out.
    fn notice(&mut self, text: impl Display) {
        self.block(format!("> {text}"));
    }

    fn code(&mut self, text: &str) {
        self.block(format!("```sh\n{text}\n```"));
    }

    fn list(&mut self, items: impl IntoIterator<Item = String>) {
        for item in items {
            self.0.push_str(&format!("- {item}\n"));
        }
        self.0.push('\n');
    }

    /// A table of cells that are safe but for their pipes: a table takes one for the end of the cell even inside code,
    /// and undoes its escape there too.
    fn table(&mut self, header: &[String], rows: &[Vec<String>]) {
        let rule = vec!["---".to_owned(); header.len()];
        for cells in [header, &rule]
            .into_iter()
            .chain(rows.iter().map(Vec::as_slice))
        {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        self.0.push('\n');
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// `3 of 4 (75.0 %)`, or `3 of 4` while nobody knows of how many; empty of nothing.
fn share(passed: usize, of: usize, percent: Option<f64>) -> String {
    match percent {
        Some(percent) => format!("{passed} of {of} ({percent:.1} %)"),
        None if of > 0 => format!("{passed} of {of}"),
        None => String::new(),
    }
}

/// `1 name`, `2 names`.
fn count(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{super::samples::Sample, *};

    #[test]
    fn the_page_of_a_finished_sweep() {
        insta::assert_snapshot!(render(&Sample::new().report()));
    }

    #[test]
    fn the_page_of_an_unfinished_sweep_says_so_first() {
        insta::assert_snapshot!(render(&Sample::unfinished().first_report()));
    }

    #[test]
    fn a_sweep_without_any_row_has_a_page_too() {
        let sweep = crate::report::matrix::samples::sweep(&["bert"]);
        let page = render(&Report::new(&sweep, &[], None));
        assert!(page.contains("No name has ended yet"), "{page}");
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_header() {
        let page = render(&Sample::new().report());
        let mut width = 0;
        let mut tables = 0;
        for line in page.lines() {
            if !line.starts_with('|') {
                width = 0;
                continue;
            }
            let cells = line.replace("\\|", "").matches('|').count();
            if width == 0 {
                width = cells;
                tables += 1;
            }
            assert_eq!(cells, width, "{line}");
        }
        assert!(tables > 5);
    }

    #[test]
    fn a_message_adds_no_markup_and_no_control_characters() {
        let page = render(&Sample::new().report());
        assert!(!page.contains('\u{1b}') && !page.contains('\u{7}'));
        for line in page.lines().filter(|line| line.contains("script")) {
            // Escaped, or inside code.
            assert!(
                line.contains("\\<script\\>") || line.contains('`'),
                "{line}"
            );
        }
        assert!(!page.contains("/srv/somebody"));
    }
}

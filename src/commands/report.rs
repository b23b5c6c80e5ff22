//! `portwright report`: what is made of a sweep.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use portwright_core::sweep::{self, Row};
use portwright_ledger::{Ledger, Sweep};

use crate::{
    error::CliError,
    exit, output,
    report::{
        coverage::{csv, document::Document, junit, markdown},
        matrix::Report,
    },
    settings::Settings,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The sweep to report on; without it, the latest one.
    pub sweep: Option<String>,
    /// The form of the report.
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    pub format: Format,
    /// Write to this file instead of stdout, whole or not at all.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say what changed since this sweep; without it, the latest one before that has ended.
    #[arg(long, value_name = "SWEEP")]
    pub since: Option<String>,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Markdown,
    Csv,
    Json,
    Junit,
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    let sweeps = ledger.sweeps()?;
    let (sweep, earlier) = choose(&sweeps, args.sweep.as_deref(), args.since.as_deref())?;
    let rows = rows(&ledger, sweep)?;
    let earlier = match earlier {
        Some(earlier) => Some((earlier, self::rows(&ledger, earlier)?)),
        None => None,
    };
    let compared = earlier
        .as_ref()
        .map(|(sweep, rows)| (*sweep, rows.as_slice()));
    let text = render(&Report::new(sweep, &rows, compared), args.format)?;
    match &args.output {
        Some(path) => output::file(path, &format!("{}\n", text.trim_end()))?,
        None => output::line(text.trim_end())?,
    }
    Ok(exit::PASSED)
}

fn render(report: &Report<'_>, format: Format) -> Result<String, CliError> {
    match format {
        Format::Markdown => Ok(markdown::render(report)),
        Format::Csv => csv::render(report).map_err(CliError::internal),
        Format::Json => output::json_text(&Document::new(report)),
        Format::Junit => junit::render(report).map_err(CliError::internal),
    }
}

/// The sweep that was asked for and the one it is compared with. `sweeps` has the latest first.
pub fn choose<'a>(
    sweeps: &'a [Sweep],
    asked: Option<&str>,
    since: Option<&str>,
) -> Result<(&'a Sweep, Option<&'a Sweep>), CliError> {
    let place = match asked {
        Some(id) => find(sweeps, id)?,
        None => 0,
    };
    let Some((sweep, older)) = sweeps.get(place..).and_then(<[Sweep]>::split_first) else {
        return Err(CliError::usage(
            "there is no sweep in this ledger",
            "make one with `portwright sweep`, or name its ledger with --ledger",
        ));
    };
    let earlier = match since {
        None => older.iter().find(|sweep| sweep.finished_ms.is_some()),
        Some(id) => {
            let since = find(sweeps, id)?;
            if since <= place {
                return Err(CliError::usage(
                    format!("`{id}` did not begin before `{}`", sweep.id),
                    "give --since a sweep that began earlier",
                ));
            }
            sweeps.get(since)
        }
    };
    Ok((sweep, earlier))
}

/// How many sweeps an error lists.
const MOST_SWEEPS: usize = 10;

fn find(sweeps: &[Sweep], id: &str) -> Result<usize, CliError> {
    if let Some(place) = sweeps.iter().position(|sweep| sweep.id.as_str() == id) {
        return Ok(place);
    }
    let message = format!("there is no sweep `{id}` in this ledger");
    if sweeps.is_empty() {
        return Err(CliError::usage(
            message,
            "it has none: make one with `portwright sweep`, or name its ledger with --ledger",
        ));
    }
    let known: Vec<&str> = sweeps
        .iter()
        .take(MOST_SWEEPS)
        .map(|sweep| sweep.id.as_str())
        .collect();
    let more = match sweeps.len() - known.len() {
        0 => String::new(),
        more => format!(" and {more} older ones"),
    };
    Err(CliError::usage(
        message,
        format!("it has {}{more}", known.join(", ")),
    ))
}

/// The rows of a sweep; those of a form that is not known are not guessed at.
fn rows(ledger: &Ledger, sweep: &Sweep) -> Result<Vec<Row>, CliError> {
    let rows = ledger.rows(&sweep.id)?;
    match rows.iter().find(|row| row.schema != sweep::SCHEMA) {
        None => Ok(rows),
        Some(row) => Err(CliError::new(
            exit::STORAGE,
            format!(
                "the row of `{}` in {} has version {}; this Portwright reads version {}",
                row.name,
                sweep.id,
                row.schema,
                sweep::SCHEMA
            ),
            Some("use the Portwright that made the sweep, or sweep again".to_owned()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::SweepId;

    use super::*;
    use crate::report::matrix::samples;

    /// The latest first: `c` is unfinished, `b` too, `a` has ended.
    fn sweeps() -> Vec<Sweep> {
        [("c", None), ("b", None), ("a", Some(1))]
            .map(|(id, finished_ms)| Sweep {
                id: SweepId::new(id),
                finished_ms,
                ..samples::sweep(&["bert"])
            })
            .to_vec()
    }

    fn chosen(asked: Option<&str>, since: Option<&str>) -> (String, Option<String>) {
        let sweeps = sweeps();
        let (sweep, earlier) = choose(&sweeps, asked, since).unwrap();
        (
            sweep.id.to_string(),
            earlier.map(|sweep| sweep.id.to_string()),
        )
    }

    #[test]
    fn the_latest_sweep_is_compared_with_the_latest_one_before_that_has_ended() {
        assert_eq!(chosen(None, None), ("c".into(), Some("a".into())));
        assert_eq!(chosen(Some("a"), None), ("a".into(), None));
        assert_eq!(chosen(None, Some("b")), ("c".into(), Some("b".into())));
    }

    #[test]
    fn a_sweep_is_not_compared_with_itself_or_a_later_one() {
        for since in ["b", "c"] {
            let error = choose(&sweeps(), Some("b"), Some(since)).unwrap_err();
            assert_eq!(error.code, exit::USAGE);
        }
    }

    #[test]
    fn an_unknown_sweep_names_the_known_ones() {
        for (asked, since) in [(Some("x"), None), (None, Some("x"))] {
            let error = choose(&sweeps(), asked, since).unwrap_err();
            assert_eq!(error.code, exit::USAGE);
            assert_eq!(error.hint.as_deref(), Some("it has c, b, a"));
        }
        let many: Vec<Sweep> = (0..5).flat_map(|_| sweeps()).collect();
        let hint = choose(&many, Some("x"), None).unwrap_err().hint.unwrap();
        assert!(hint.ends_with("and 5 older ones"), "{hint}");
    }

    #[test]
    fn a_ledger_without_sweeps_says_how_to_make_one() {
        for asked in [None, Some("x")] {
            let error = choose(&[], asked, None).unwrap_err();
            assert_eq!(error.code, exit::USAGE);
            assert!(error.hint.unwrap().contains("portwright sweep"));
        }
    }

    #[test]
    fn a_row_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let begun = samples::sweep(&["bert"]);
        let sweep = ledger
            .begin_sweep(&portwright_ledger::NewSweep {
                key: begun.key,
                library_version: begun.library_version,
                settings: begun.settings,
                names: begun.names,
            })
            .unwrap();
        let row = Row {
            schema: sweep::SCHEMA + 1,
            ..samples::row("bert")
        };
        ledger.record_rows(&sweep.id, &[row]).unwrap();
        let error = rows(&ledger, &sweep).unwrap_err();
        assert_eq!(error.code, exit::STORAGE);
        assert!(error.message.contains("version 2"), "{}", error.message);
    }
}

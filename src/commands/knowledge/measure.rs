//! `portwright knowledge measure`.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args as ClapArgs;
use portwright_knowledge::retrieval::{LookupError, Way, measure};

use super::{Common, Place, meaning};
use crate::{error::CliError, output, report::knowledge as report, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A TOML file of questions with their answers; without it, the questions that come with Portwright.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

pub fn run(args: &Args, settings: &Settings) -> Result<(), CliError> {
    let queries = match &args.file {
        None => measure::queries().map_err(CliError::internal)?,
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| error.to_string())
            .and_then(|text| measure::parse(&text).map_err(|error| error.to_string()))
            .map_err(|error| {
                CliError::usage(
                    format!("cannot read the questions in {}: {error}", file.display()),
                    "write them as in knowledge/eval/queries.toml",
                )
            })?,
    };
    let place = Place::built(&args.common, settings)?;
    let mut lookup = meaning::complete(&place)?;
    let (asked, absent) = measure::labelled(&lookup.index, &queries)?;
    let ways = match lookup.meaning {
        Some(_) => Way::ALL.to_vec(),
        None => vec![Way::Text],
    };
    let absent = absent.iter().map(|query| query.text.as_str()).collect();
    let mut measured = BTreeMap::new();
    for way in ways {
        let found = measure::measure(&asked, |text| -> Result<_, LookupError> {
            let hits = lookup.search(way, text, &[], measure::DEPTH)?;
            Ok(hits.into_iter().map(|hit| hit.document).collect())
        })?;
        measured.insert(way, found);
    }
    let document = report::MeasureDocument {
        schema: report::SCHEMA,
        library_version: &place.library_version,
        ways: measured,
        absent,
    };
    if args.common.json {
        return output::json(&document);
    }
    output::line(report::measure(&document).trim_end())
}

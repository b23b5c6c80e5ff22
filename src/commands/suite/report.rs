//! `portwright suite report`.

use std::{fs, path::PathBuf};

use clap::Args as ClapArgs;

use crate::{
    error::CliError,
    exit, output,
    report::suite::{SCHEMA, SuiteDocument, markdown},
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Documents that `portwright suite run --json` has written, in the order of their columns.
    #[arg(value_name = "FILE", required = true)]
    pub runs: Vec<PathBuf>,
    /// Write to this file instead of stdout, whole or not at all.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let mut documents = Vec::new();
    for path in &args.runs {
        let hint = "name a document that `portwright suite run --json` has written";
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::usage(format!("{}: {error}", path.display()), hint))?;
        let document: SuiteDocument = serde_json::from_str(&text)
            .map_err(|error| CliError::usage(format!("{}: {error}", path.display()), hint))?;
        if document.schema != SCHEMA {
            return Err(CliError::usage(
                format!(
                    "{} has schema {}, this program reads {SCHEMA}",
                    path.display(),
                    document.schema
                ),
                "run the suite again with this program",
            ));
        }
        documents.push(document);
    }
    let text = markdown(&documents);
    match &args.output {
        Some(path) => output::file(path, &text)?,
        None => output::line(text.trim_end())?,
    }
    Ok(exit::PASSED)
}

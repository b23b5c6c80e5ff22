//! `portwright suite collect`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use portwright_agents::suite::{self, Split};
use portwright_ledger::Ledger;
use serde_json::json;

use crate::{commands::report, error::CliError, exit, output, settings::Settings};

use super::SUITE;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The sweep whose failures are collected; without it, the latest one.
    #[arg(long, value_name = "SWEEP")]
    pub sweep: Option<String>,
    /// The folder that the cases are written to, in `development` and `held-out`.
    #[arg(long, value_name = "DIR", default_value = SUITE)]
    pub into: PathBuf,
    /// The most cases of one root cause.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub per_cause: usize,
    /// The most cases in all; frequent causes come first.
    #[arg(long, value_name = "COUNT", default_value_t = 60)]
    pub most: usize,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    let sweeps = ledger.sweeps()?;
    let (sweep, _) = report::choose(&sweeps, args.sweep.as_deref(), None)?;
    let cases = suite::collect(&ledger, &sweep.id, args.per_cause, args.most)?;
    for case in &cases {
        case.write(&args.into)?;
    }
    let count = |split| cases.iter().filter(|case| case.split == split).count();
    let [development, held_out] = Split::ALL.map(count);
    if args.json {
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        output::json(&json!({
            "schema": 1, "sweep": sweep.id, "development": development, "held_out": held_out, "cases": names,
        }))?;
    } else {
        output::line(&format!(
            "{development} cases for development and {held_out} held out, in {}",
            args.into.display()
        ))?;
    }
    Ok(exit::PASSED)
}

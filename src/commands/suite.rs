//! `portwright suite`: how much of what fails the fixer's ladder repairs.

mod collect;
mod report;
mod run;

use clap::{Args as ClapArgs, Subcommand};
use portwright_agents::suite::CaseError;

use crate::{
    error::{CliError, chain},
    exit,
    settings::Settings,
};

/// Where a clone keeps the suite.
const SUITE: &str = "evals/suite";

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Collect the failures of a sweep as they were met, before anything was repaired.
    Collect(collect::Args),
    /// Have the ladder repair the cases of a suite, and say which rung repaired which.
    Run(run::Args),
    /// Lay several runs of a suite side by side, as Markdown.
    Report(report::Args),
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    match &args.what {
        What::Collect(args) => collect::run(args, settings),
        What::Run(args) => run::run(args, settings),
        What::Report(args) => report::run(args),
    }
}

impl From<CaseError> for CliError {
    fn from(error: CaseError) -> Self {
        let code = match error {
            CaseError::File { .. } | CaseError::Write { .. } => exit::STORAGE,
            _ => exit::USAGE,
        };
        Self::new(code, chain(&error), Some(error.hint()))
    }
}

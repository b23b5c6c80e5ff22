//! `portwright doctor`: what is here, what is missing, and why.
//!
//! It builds nothing and changes nothing. Its exit code says whether `portwright run` with its settings can do its
//! work.

mod devices;
mod probe;
mod report;

use portwright_sandbox::isolation;

use crate::{error::CliError, exit, output, settings::Settings};

use report::Item;

/// List tools, backends and devices, with the reason for each that is absent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Looks at this machine, prints what it finds, and gives the exit code.
///
/// The code is [`exit::PASSED`] where the backends of the settings can run (the Python environment may still have to
/// be built), [`exit::ENVIRONMENT`] where Python, uv or space is missing, and [`exit::SANDBOX`] where only the walls
/// around generated code are.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let report = probe::look(settings, &isolation::probe());
    if args.json {
        output::json(&report)?;
    } else {
        output::line(report.to_string().trim_end())?;
    }
    Ok(if !report.environment_ready {
        exit::ENVIRONMENT
    } else if !report.sandbox_ready {
        exit::SANDBOX
    } else {
        exit::PASSED
    })
}

//! `portwright config`: the settings in force and their reference.

use clap::{Args as ClapArgs, Subcommand};

use crate::{error::CliError, exit, output, settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Every setting in force and the file it comes from.
    Show,
    /// The commented defaults: the reference of `portwright.toml`.
    Defaults,
}

pub fn run(args: &Args, loaded: &settings::Loaded) -> Result<u8, CliError> {
    match args.what {
        What::Show => {
            for file in &loaded.files {
                output::line(&format!("# read {}", file.display()))?;
            }
            output::line(loaded.show().trim_end())?;
        }
        What::Defaults => output::line(settings::DEFAULTS.trim_end())?,
    }
    Ok(exit::PASSED)
}

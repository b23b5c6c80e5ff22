//! The command line of Portwright.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backends;
mod cli;
mod commands;
mod error;
mod exit;
mod logging;
mod output;
mod report;
mod runtime;
mod session;
mod settings;
mod target;

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Color, Command};
use error::CliError;
use portwright_knowledge::retrieval::embed;
use portwright_sandbox::{backends::worker_main, process};

fn main() -> ExitCode {
    // Workers are this very program under hidden names: they must not parse options or start threads before they are
    // confined.
    if let Some(code) = worker() {
        return code;
    }
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            show(
                &error,
                colour(cli.global.color, std::io::stderr().is_terminal()),
            );
            ExitCode::from(error.code)
        }
    }
}

fn worker() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let first = args.next()?;
    if first == process::CAGED {
        process::caged_main(args);
    }
    if first == embed::WORKER {
        return Some(ExitCode::from(embed::worker_main(args)));
    }
    let request = PathBuf::from(args.next().unwrap_or_default());
    worker_main(&first, &request).map(|code| ExitCode::from(code as u8))
}

fn dispatch(cli: &Cli) -> Result<u8, CliError> {
    if let Command::Completions { shell } = cli.command {
        // Into memory first: the generator panics where a reader closes its end early.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "portwright", &mut script);
        output::line(String::from_utf8_lossy(&script).trim_end())?;
        return Ok(exit::PASSED);
    }
    let loaded = settings::Loaded::read(&settings::Places::of_process(cli.global.config.clone()))?;
    let settings = &loaded.settings;
    logging::start(&cli.global, settings)?;
    let colour = colour(cli.global.color, std::io::stdout().is_terminal());
    match &cli.command {
        Command::Run(args) => commands::run::run(args, settings, colour),
        Command::Sweep(args) => commands::sweep::run(args, settings, colour),
        Command::Catalogue(args) => commands::catalogue::run(args, settings),
        Command::Doctor(args) => commands::doctor::run(args, settings),
        Command::Setup(args) => commands::setup::run(args, settings),
        Command::Config(args) => commands::config::run(args, &loaded),
        Command::Runs(args) => commands::runs::run(args, settings),
        Command::Clean(args) => commands::clean::run(args, settings),
        Command::Rules(args) => commands::rules::run(args, settings),
        Command::Suite(args) => commands::suite::run(args, settings),
        Command::Matrix(args) => commands::matrix::run(args, settings, colour),
        Command::Report(args) => commands::report::run(args, settings),
        Command::Knowledge(args) => commands::knowledge::run(args, settings),
        Command::Completions { .. } => Ok(exit::PASSED),
    }
}

/// `NO_COLOR` is a wish that only an explicit `--color always` overrides.
fn colour(when: Color, terminal: bool) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

fn show(error: &CliError, colour: bool) {
    let (red, cyan, reset) = if colour {
        ("\x1b[31m", "\x1b[36m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    // An error may quote what somebody else wrote: a further line of it is marked as one.
    let marked = |text: &str| text.trim_end().replace('\n', "\n  | ");
    output::aside(&format!("{red}error:{reset} {}", marked(&error.message)));
    if let Some(hint) = &error.hint {
        output::aside(&format!("{cyan}hint:{reset} {}", marked(hint)));
    }
}

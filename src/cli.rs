//! The command line: one subcommand per file in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Ports Hugging Face model types to hardware backends, and proves it.
#[derive(Debug, Parser)]
#[command(
    name = "portwright",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Settings file; without it `portwright.toml` is looked for in this folder and its parents.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log more: -v for steps, -vv for details, -vvv for everything (`RUST_LOG` overrides).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Form of the log lines on stderr.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// When to use colours.
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Port one model type to backends, judge it, and commit what passes.
    Run(commands::run::Args),
    /// Port every model type of the release, and keep the coverage matrix.
    Sweep(commands::sweep::Args),
    /// Show every model type of a release, or what changed between two releases.
    Catalogue(commands::catalogue::Args),
    /// List tools, backends and devices, with the reason for each that is absent.
    Doctor(commands::doctor::Args),
    /// Fetch what some backends need beside the Python environment, or list it.
    Setup(commands::setup::Args),
    /// Show the settings in force, or the commented defaults.
    Config(commands::config::Args),
    /// List runs, or show what happened in one.
    Runs(commands::runs::Args),
    /// Show every backend side by side for one type, and what stops those that do not pass.
    Matrix(commands::matrix::Args),
    /// Remove what no verdict needs: work folders, old logs, artefacts that no record names.
    Clean(commands::clean::Args),
    /// List the rules that were learnt from verified repairs, or show one.
    Rules(commands::rules::Args),
    /// Measure repairs: collect the failures of a sweep, and have the fixer's ladder repair them again.
    Suite(commands::suite::Args),
    /// Report on a sweep: the coverage matrix, its figures, and what changed since the sweep before.
    Report(commands::report::Args),
    /// Look up what is known: the library's source, its exporters, the operators of formats.
    Knowledge(commands::knowledge::Args),
    /// Print a completion script for a shell.
    Completions { shell: clap_complete::Shell },
}

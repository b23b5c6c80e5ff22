//! One subcommand per file.

pub mod catalogue;
pub mod config;
pub mod doctor;
pub mod run;
pub mod runs;

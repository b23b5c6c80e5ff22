//! One subcommand per file.

pub mod catalogue;
pub mod clean;
pub mod config;
pub mod doctor;
pub mod knowledge;
pub mod matrix;
pub mod report;
pub mod rules;
pub mod run;
pub mod runs;
pub mod setup;
pub mod suite;
pub mod sweep;

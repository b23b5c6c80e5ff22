//! Errors that a user meets: what happened, and what to do next.

use std::fmt::Display;

use portwright_agents::driver::{Blame, DriverError};
use portwright_ledger::LedgerError;
use portwright_sandbox::environment::EnvironmentError;

use crate::{exit, settings::SettingsError};

/// An error with its cure and exit code.
#[derive(Debug)]
pub struct CliError {
    pub message: String,
    pub hint: Option<String>,
    pub code: u8,
}

impl CliError {
    pub fn new(code: u8, message: impl Display, hint: impl Into<Option<String>>) -> Self {
        Self {
            message: message.to_string(),
            hint: hint.into(),
            code,
        }
    }

    pub fn usage(message: impl Display, hint: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message, Some(hint.into()))
    }

    pub fn internal(message: impl Display) -> Self {
        Self::new(
            exit::INTERNAL,
            message,
            Some("this is a defect in Portwright: please report it".to_owned()),
        )
    }

    pub fn stdout(error: std::io::Error) -> Self {
        Self::new(
            exit::STORAGE,
            format!("cannot write to stdout: {error}"),
            None,
        )
    }
}

/// An error and the errors that caused it, as one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

impl From<LedgerError> for CliError {
    fn from(error: LedgerError) -> Self {
        Self::new(exit::STORAGE, chain(&error), Some(error.hint()))
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::usage(chain(&error), error.hint())
    }
}

impl From<EnvironmentError> for CliError {
    fn from(error: EnvironmentError) -> Self {
        Self::new(exit::ENVIRONMENT, chain(&error), Some(error.hint()))
    }
}

impl From<DriverError> for CliError {
    fn from(error: DriverError) -> Self {
        let code = match error.blame() {
            Blame::Usage => exit::USAGE,
            Blame::Environment => exit::ENVIRONMENT,
            Blame::Sandbox => exit::SANDBOX,
            Blame::Storage => exit::STORAGE,
            Blame::Internal => exit::INTERNAL,
        };
        Self::new(code, chain(&error), error.hint())
    }
}

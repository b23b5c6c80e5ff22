//! What goes to stdout. A closed pipe is the reader's choice, not an error to shout about.

use std::io::{self, Write as _};

use portwright_core::event::Event;
use serde::Serialize;

use crate::error::CliError;

/// Writes one line.
pub fn line(text: &str) -> Result<(), CliError> {
    written(writeln!(io::stdout(), "{text}"))
}

/// Writes one JSON document.
pub fn json(document: &impl Serialize) -> Result<(), CliError> {
    line(&serde_json::to_string_pretty(document).map_err(CliError::internal)?)
}

fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::stdout(error)),
        _ => Ok(()),
    }
}

/// An event as one line for people.
pub fn describe(event: &Event) -> String {
    match event {
        Event::RunStarted { target, .. } => format!("started for {target}"),
        Event::RunResumed => "resumed".to_owned(),
        Event::StepStarted { step, .. } => format!("{step} …"),
        Event::StepFinished {
            step, reused: true, ..
        } => format!("{step}: found finished"),
        Event::StepFinished { step, seconds, .. } => format!("{step}: done in {seconds:.1} s"),
        Event::Decided { agent, what } => format!("{agent}: {what}"),
        Event::VerdictReached { verdict, fresh } => {
            let how = if *fresh { " afresh" } else { "" };
            format!("{}: {}{how}", verdict.backend, verdict.verdict.as_str())
        }
        Event::Committed { branch, commit } => format!("committed {commit} on {branch}"),
        Event::RunFinished { exit_code } => format!("finished with exit code {exit_code}"),
    }
}

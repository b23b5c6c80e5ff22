//! `portwright runs`: what was launched, and what happened in one run.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use portwright_core::{RunId, text};
use portwright_ledger::{Ledger, Run};
use serde_json::json;

use crate::{error::CliError, exit, output, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Show the events of this run; without it, list all runs.
    pub run: Option<String>,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    match &args.run {
        None => list(&ledger, args.json),
        Some(run) => show(&ledger, &RunId::new(run), args.json),
    }
}

fn list(ledger: &Ledger, as_json: bool) -> Result<u8, CliError> {
    let runs = ledger.runs()?;
    if as_json {
        let rows: Vec<_> = runs.iter().map(document).collect();
        output::json(&json!({ "schema": 1, "runs": rows }))?;
    } else if runs.is_empty() {
        output::line("no runs yet; start one with `portwright run bert`")?;
    } else {
        for run in &runs {
            output::line(&format!(
                "{:<44} {:<12} {}",
                run.id.as_str(),
                state(run),
                text::line(&run.target)
            ))?;
        }
    }
    Ok(exit::PASSED)
}

fn show(ledger: &Ledger, id: &RunId, as_json: bool) -> Result<u8, CliError> {
    let Some(run) = ledger.run(id)? else {
        return Err(CliError::usage(
            format!("there is no run `{id}` in this ledger"),
            "`portwright runs` lists them",
        ));
    };
    let events = ledger.events(id)?;
    if as_json {
        let verdicts = ledger.verdicts(id)?;
        let verdicts: Vec<_> = verdicts
            .iter()
            .map(|v| json!({ "fresh": v.fresh, "verdict": v.verdict }))
            .collect();
        output::json(
            &json!({ "schema": 1, "run": document(&run), "events": events, "verdicts": verdicts }),
        )?;
    } else {
        output::line(&format!(
            "{} {} {}",
            run.id,
            state(&run),
            text::line(&run.target)
        ))?;
        for record in &events {
            let seconds = record.unix_ms.saturating_sub(run.started_ms) as f64 / 1e3;
            output::line(&format!(
                "{seconds:>9.3}s  {}",
                output::describe(&record.event)
            ))?;
        }
    }
    Ok(exit::PASSED)
}

fn document(run: &Run) -> serde_json::Value {
    json!({
        "run": run.id,
        "target": run.target,
        "model_type": run.model_type,
        "started_unix_ms": run.started_ms,
        "finished_unix_ms": run.finished_ms,
        "exit_code": run.exit_code,
    })
}

fn state(run: &Run) -> &'static str {
    match run.exit_code {
        Some(0) => "passed",
        Some(_) => "not passed",
        None => "unfinished",
    }
}

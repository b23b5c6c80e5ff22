//! `portwright matrix`: every backend side by side for one type, by the last verdict on each, and what stops those that do not
//! pass.
//!
//! It reads the ledger and runs nothing. A backend on which the type was never judged says which command does that.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args as ClapArgs;
use portwright_core::{Backend, text, verdict::BackendVerdict};
use portwright_ledger::{Ledger, Run};
use serde_json::{Value, json};

use crate::{error::CliError, exit, output, report::table::Style, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The type, as it was run, e.g. `bert`.
    #[arg(value_name = "TYPE")]
    pub name: String,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// The last word on a backend, and the run that gave it.
struct Judged {
    run: Run,
    verdict: BackendVerdict,
}

pub fn run(args: &Args, settings: &Settings, colour: bool) -> Result<u8, CliError> {
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    let judged = last_words(&ledger, &args.name)?;
    if judged.is_empty() {
        return Err(CliError::usage(
            format!("no run in this ledger has judged `{}`", args.name),
            format!("`portwright run {} -b all` does", args.name),
        ));
    }
    if args.json {
        let backends: Vec<Value> = Backend::all()
            .map(|backend| document(backend, judged.get(&backend)))
            .collect();
        output::json(&json!({ "schema": 1, "type": args.name, "backends": backends }))?;
    } else {
        let style = Style { colour };
        for backend in Backend::all() {
            output::line(&line(backend, judged.get(&backend), &args.name, style))?;
        }
    }
    Ok(exit::PASSED)
}

/// The last verdict on each backend in the runs of a type, that of the fresh verification where there is one.
fn last_words(ledger: &Ledger, name: &str) -> Result<BTreeMap<Backend, Judged>, CliError> {
    let mut judged = BTreeMap::new();
    for run in ledger.runs()? {
        if run.target != name && run.model_type.as_str() != name {
            continue;
        }
        let words = ledger.verdicts(&run.id)?;
        // The fresh one comes second, and replaces the other; a later run has come before this one, and stays.
        let of_run: BTreeMap<Backend, BackendVerdict> = words
            .into_iter()
            .map(|word| (word.verdict.backend, word.verdict))
            .collect();
        for (backend, verdict) in of_run {
            let run = run.clone();
            judged.entry(backend).or_insert(Judged { run, verdict });
        }
    }
    Ok(judged)
}

fn line(backend: Backend, judged: Option<&Judged>, name: &str, style: Style) -> String {
    let width = Backend::width();
    let Some(Judged { verdict, .. }) = judged else {
        return format!("{backend:<width$}  –            portwright run {name} -b {backend}");
    };
    // By hand: the codes of a colour would count as width.
    let gap = 11_usize.saturating_sub(verdict.verdict.as_str().len());
    let shown = style.verdict(verdict.verdict);
    let what = match (&verdict.evidence, &verdict.finding) {
        (_, Some(finding)) => format!("{}: {}", finding.stage, text::line(&finding.message)),
        (Some(evidence), None) => {
            let placement = &evidence.placement;
            let limits = match evidence.limits.len() {
                0 => String::new(),
                1 => ", leaves 1 thing open".to_owned(),
                more => format!(", leaves {more} things open"),
            };
            format!(
                "{} of {} nodes on {}, {}{limits}",
                placement.nodes_on_provider,
                placement.nodes,
                text::line(&placement.provider),
                text::line(&evidence.device)
            )
        }
        (None, None) => String::new(),
    };
    format!("{backend:<width$}  {shown}{:gap$}  {what}", "")
        .trim_end()
        .to_owned()
}

fn document(backend: Backend, judged: Option<&Judged>) -> Value {
    json!({
        "backend": backend,
        "run": judged.map(|it| &it.run.id),
        "verdict": judged.map(|it| &it.verdict),
    })
}

//! `portwright rules`: what was learnt from verified repairs.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use portwright_knowledge::rules::learnt::{self, LearntRule, Lesson, Witness};
use portwright_ledger::Ledger;
use serde_json::json;

use crate::{error::CliError, exit, output, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
    /// The ledger's folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// The release of Transformers in which the states are asked; that of the latest lesson by default.
    #[arg(long, global = true, value_name = "X.Y.Z")]
    pub transformers: Option<String>,
    /// One JSON document on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Every learnt rule, the most trusted first.
    List,
    /// One rule: what it answers, what it changes, and the runs that speak for and against it.
    Show { rule: String },
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let ledger = Ledger::open(settings.ledger_folder(args.ledger.as_deref())?)?;
    let lessons: Vec<Lesson> = ledger.lessons()?;
    let latest = lessons.last().map(|lesson| lesson.library_version.as_str());
    let version = args.transformers.as_deref().or(latest).unwrap_or("");
    let rules = learnt::rules(&lessons, version);
    match &args.what {
        What::List => list(&rules, version, args.json)?,
        What::Show { rule } => {
            let Some(found) = rules.iter().find(|known| known.name == *rule) else {
                return Err(CliError::usage(
                    format!("there is no learnt rule `{rule}` in this ledger"),
                    "`portwright rules list` lists them",
                ));
            };
            show(found, version, args.json)?;
        }
    }
    Ok(exit::PASSED)
}

fn list(rules: &[LearntRule], version: &str, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return output::json(&json!({ "schema": 1, "library_version": version, "rules": rules }));
    }
    if rules.is_empty() {
        return output::line(
            "nothing was learnt yet; a repair that passes its fresh build is the first rule",
        );
    }
    for rule in rules {
        let types: Vec<&str> = rule.types().into_iter().collect();
        output::line(&format!(
            "{:<24} {:<12} {} · {} · {}",
            rule.name,
            rule.state.as_str(),
            place(rule),
            types.join(", "),
            rule.reason
        ))?;
    }
    Ok(())
}

fn show(rule: &LearntRule, version: &str, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return output::json(&json!({ "schema": 1, "library_version": version, "rule": rule }));
    }
    output::line(&format!(
        "{} is {} in Transformers {version}",
        rule.name,
        rule.state.as_str()
    ))?;
    output::line(&format!("  met at    {}", place(rule)))?;
    output::line(&format!("  answers   {}", rule.repair.signature))?;
    for change in &rule.repair.changes {
        let change = serde_json::to_string(change).map_err(CliError::internal)?;
        output::line(&format!("  changes   {change}"))?;
    }
    output::line(&format!("  because   {}", rule.reason))?;
    for (what, witnesses) in [
        ("cured", &rule.cured),
        ("no help", &rule.did_not_help),
        ("broke", &rule.broke),
    ] {
        for witness in witnesses {
            output::line(&format!("  {what:<9} {}", told(witness)))?;
        }
    }
    Ok(())
}

fn place(rule: &LearntRule) -> String {
    match rule.repair.backend {
        Some(backend) => format!("{} on {backend}", rule.repair.stage),
        None => rule.repair.stage.to_string(),
    }
}

fn told(witness: &Witness) -> String {
    format!(
        "{} in Transformers {}, by {} ({})",
        witness.model_type, witness.library_version, witness.source, witness.run
    )
}

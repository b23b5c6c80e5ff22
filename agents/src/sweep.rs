//! A sweep: the way of a launch, for each of many model types, several at once.
//!
//! One type's failure, crash or hang is its own row. What ends the sweep is only what no type could survive: storage
//! that is full, a sandbox that cannot be made, an environment that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use portwright_core::{
    Backend, CatalogueEntry, Digest, Finding, Kind, RunId, Signature, Stage, SweepId, Verdict,
    sweep::{Row, SCHEMA, Through},
    verdict::BackendVerdict,
};
use portwright_ledger::NewSweep;
use serde_json::Value;

use crate::driver::{self, Blame, DriverError, Outcome, Request, Session};

/// One name to sweep.
#[derive(Clone, Debug)]
pub struct Item {
    /// The row's name: the model type, or the name of a variant or folder.
    pub name: String,
    pub entry: CatalogueEntry,
    pub request: Request,
}

/// What is swept.
#[derive(Clone, Debug)]
pub struct SweepRequest {
    pub library_version: String,
    pub items: Vec<Item>,
    pub backends: Vec<Backend>,
    /// How many types are worked on at once.
    pub jobs: usize,
    /// For the ledger and the report.
    pub settings: Value,
}

/// Shown a sweep as it goes.
pub trait SweepObserver: Send + Sync {
    /// The sweep has a name, and `done` rows are there from an earlier launch that was cut off.
    fn began(&self, sweep: &SweepId, ended: &[Row], all: usize);
    fn started(&self, name: &str);
    fn ended(&self, row: &Row);
}

/// Sweeps, or goes on with the same sweep that was cut off.
pub async fn sweep(
    session: &Session,
    request: &SweepRequest,
    observer: &dyn SweepObserver,
) -> Result<SweepId, DriverError> {
    let ledger = &session.ledger;
    let mut names: Vec<String> = request.items.iter().map(|i| i.name.clone()).collect();
    names.sort_unstable();
    let launches: Vec<&Request> = request.items.iter().map(|item| &item.request).collect();
    let key = Digest::of_json(&(&session.identity, &names, &launches))?;
    let known = ledger.unfinished_sweep(&key)?;
    let sweep = match known {
        Some(sweep) => sweep,
        None => ledger.begin_sweep(&NewSweep {
            key,
            library_version: request.library_version.clone(),
            settings: request.settings.clone(),
            names,
        })?,
    };
    let ended = ledger.rows(&sweep.id)?;
    observer.began(&sweep.id, &ended, request.items.len());
    let ended: BTreeSet<String> = ended.into_iter().map(|row| row.name).collect();
    let waiting = request.items.iter().filter(|i| !ended.contains(&i.name));
    let mut rows = stream::iter(waiting)
        .map(|item| one(session, request, item, observer))
        .buffer_unordered(request.jobs.max(1));
    while let Some(row) = rows.next().await {
        let row = row?;
        ledger.record_row(&sweep.id, &row)?;
        observer.ended(&row);
    }
    drop(rows);
    for covered in through_parents(&ledger.rows(&sweep.id)?) {
        ledger.record_row(&sweep.id, &covered)?;
    }
    ledger.finish_sweep(&sweep.id)?;
    Ok(sweep.id)
}

async fn one(
    session: &Session,
    request: &SweepRequest,
    item: &Item,
    observer: &dyn SweepObserver,
) -> Result<Row, DriverError> {
    observer.started(&item.name);
    let began = Instant::now();
    match driver::run(session, &item.request).await {
        Ok(outcome) => Ok(row(item, outcome, began.elapsed().as_secs_f64())),
        Err(error) => match error.blame() {
            Blame::Storage | Blame::Sandbox | Blame::Environment => Err(error),
            // What went wrong is this type's own, or a defect that this type has met.
            Blame::Usage | Blame::Internal => Ok(row(
                item,
                defect(request, item, &error),
                began.elapsed().as_secs_f64(),
            )),
        },
    }
}

fn row(item: &Item, outcome: Outcome, seconds: f64) -> Row {
    let generation = generated(item, &outcome);
    let class = outcome.class().map(str::to_owned);
    Row {
        schema: SCHEMA,
        name: item.name.clone(),
        model_type: item.entry.model_type.clone(),
        kind: item.entry.kind,
        family: outcome.family().unwrap_or(item.entry.family),
        through: outcome.whole.map(|parent| Through { parent }),
        run: outcome.run,
        class,
        generation,
        verdicts: outcome.verdicts,
        reused: outcome.reused,
        seconds,
        cpu_seconds: outcome.cpu_seconds,
        peak_resident_bytes: outcome.peak_resident_bytes,
        exercised: outcome.exercised,
    }
}

/// The verdicts on cached generation. A type that generates and for which no plan was found does not generate here
/// either: without its verdicts it would count as one that never could.
fn generated(item: &Item, outcome: &Outcome) -> Vec<BackendVerdict> {
    let asked = item.request.effort.generation && item.entry.generative;
    if !outcome.generation.is_empty() || outcome.plan.is_some() || !asked {
        return outcome.generation.clone();
    }
    outcome
        .verdicts
        .iter()
        .filter(|verdict| driver::GENERATES.contains(&verdict.backend))
        .cloned()
        .collect()
}

/// The outcome of a launch that an error ended.
fn defect(request: &SweepRequest, item: &Item, error: &DriverError) -> Outcome {
    let verdict = |&backend: &Backend| BackendVerdict {
        backend,
        verdict: Verdict::Fail,
        evidence: None,
        finding: Some(Finding {
            stage: Stage::Analyse,
            backend: Some(backend),
            signature: Signature::phrase("the launch ended with an error"),
            message: error.to_string(),
            error: None,
            hint: error.hint(),
        }),
    };
    Outcome {
        run: RunId::new(""),
        model_type: item.entry.model_type.clone(),
        library_version: request.library_version.clone(),
        verdicts: request.backends.iter().map(verdict).collect(),
        generation: Vec::new(),
        branch: None,
        commit: None,
        exercised: Vec::new(),
        whole: None,
        cpu_seconds: BTreeMap::new(),
        peak_resident_bytes: 0,
        plan: None,
        met: Vec::new(),
        proposals: 0,
        offered: Vec::new(),
        reused: false,
    }
}

/// Rows of parts that do not pass by a class of their own, as a parent covers them whose reference called their modules:
/// such a row says which, and has the parent's verdicts.
fn through_parents(rows: &[Row]) -> Vec<Row> {
    let mut covered = Vec::new();
    for row in rows.iter().filter(|row| row.kind == Kind::Part) {
        if passes(row) > 0 {
            continue;
        }
        let part = row.model_type.as_str();
        let holds = |parent: &&Row| {
            parent.model_type != row.model_type
                && parent.through.is_none()
                && parent.exercised.iter().any(|name| name == part)
        };
        // Of several parents the one that shows most.
        let Some(parent) = rows
            .iter()
            .filter(holds)
            .max_by_key(|parent| passes(parent))
        else {
            continue;
        };
        if passes(parent) > 0 {
            covered.push(Row {
                through: Some(Through {
                    parent: parent.model_type.clone(),
                }),
                run: parent.run.clone(),
                class: parent.class.clone(),
                verdicts: parent.verdicts.clone(),
                ..row.clone()
            });
        }
    }
    covered
}

fn passes(row: &Row) -> usize {
    row.verdicts
        .iter()
        .filter(|v| v.verdict == Verdict::Pass)
        .count()
}

#[cfg(test)]
mod tests {
    use portwright_core::{Family, ModelType};

    use super::*;

    fn row(name: &str, kind: Kind, verdict: Verdict, exercised: &[&str]) -> Row {
        Row {
            schema: SCHEMA,
            name: name.into(),
            model_type: ModelType::new(name),
            kind,
            family: Family::Component,
            through: None,
            run: RunId::new(format!("{name}-run")),
            class: None,
            verdicts: vec![BackendVerdict {
                backend: Backend::TorchCpu,
                verdict,
                evidence: None,
                finding: None,
            }],
            generation: Vec::new(),
            reused: false,
            seconds: 0.0,
            cpu_seconds: BTreeMap::new(),
            peak_resident_bytes: 0,
            exercised: exercised.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_part_counts_through_a_parent_that_called_it_and_passes() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["whole", "tower"]),
            row("tower", Kind::Part, Verdict::Fail, &[]),
        ];
        let covered = through_parents(&rows);
        assert_eq!(covered.len(), 1);
        assert_eq!(covered[0].name, "tower");
        assert_eq!(covered[0].run.as_str(), "whole-run");
        let parent = covered[0].through.as_ref().map(|t| t.parent.as_str());
        assert_eq!(parent, Some("whole"));
    }

    #[test]
    fn a_parent_that_fails_or_never_called_the_part_covers_nothing() {
        let tower = || row("tower", Kind::Part, Verdict::Fail, &[]);
        let fails = row("whole", Kind::Base, Verdict::Fail, &["tower"]);
        assert!(through_parents(&[fails, tower()]).is_empty());
        let elsewhere = row("whole", Kind::Base, Verdict::Pass, &["whole"]);
        assert!(through_parents(&[elsewhere, tower()]).is_empty());
    }

    #[test]
    fn a_part_that_passes_by_itself_keeps_its_own_row() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["tower"]),
            row("tower", Kind::Part, Verdict::Pass, &["tower"]),
        ];
        assert!(through_parents(&rows).is_empty());
    }

    #[test]
    fn what_is_no_part_is_never_covered_by_another() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["other"]),
            row("other", Kind::Base, Verdict::Fail, &[]),
        ];
        assert!(through_parents(&rows).is_empty());
    }
}

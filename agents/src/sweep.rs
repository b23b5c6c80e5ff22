//! A sweep: the way of a launch, for each of many model types, several at once.
//!
//! One type's failure, crash or hang is its own row. What ends the sweep is only what no type could survive: storage
//! that is full, a sandbox that cannot be made, an environment that is gone.

mod through;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use portwright_core::{
    Backend, CatalogueEntry, Digest, Finding, RunId, Signature, Stage, SweepId, Verdict,
    job::ModelSource,
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
    /// A whole has been worked on, and waits for the rows of its components.
    fn set_aside(&self, name: &str);
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
    let (remembered, waiting) = remembered(session, waiting)?;
    let (mut composed, remembered) = apart(remembered);
    // One by one, each would wait for the disk: a release that nothing has touched is answered in one go.
    ledger.record_rows(&sweep.id, &remembered)?;
    remembered.iter().for_each(|row| observer.ended(row));
    let mut rows = stream::iter(waiting)
        .map(|item| one(session, request, item, observer))
        .buffer_unordered(request.jobs.max(1));
    while let Some(row) = rows.next().await {
        let (whole, ended) = apart(vec![row?]);
        whole.iter().for_each(|row| observer.set_aside(&row.name));
        composed.extend(whole);
        ledger.record_rows(&sweep.id, &ended)?;
        ended.iter().for_each(|row| observer.ended(row));
    }
    drop(rows);
    let swept = ledger.rows(&sweep.id)?;
    ledger.record_rows(&sweep.id, &through::parents(&swept))?;
    let swept = ledger.rows(&sweep.id)?;
    let composed: Vec<Row> = composed
        .into_iter()
        .map(|row| through::components(row, &swept))
        .collect();
    ledger.record_rows(&sweep.id, &composed)?;
    composed.iter().for_each(|row| observer.ended(row));
    ledger.finish_sweep(&sweep.id)?;
    Ok(sweep.id)
}

/// The rows of what an earlier sweep or run has brought to its end, and what is left to work on.
fn remembered<'a>(
    session: &Session,
    items: impl Iterator<Item = &'a Item>,
) -> Result<(Vec<Row>, Vec<&'a Item>), DriverError> {
    let known = driver::Known::new(session)?;
    let (mut rows, mut waiting) = (Vec::new(), Vec::new());
    for item in items {
        let began = Instant::now();
        match known.outcome(&item.request)? {
            Some(outcome) => rows.push(row(item, outcome, began.elapsed().as_secs_f64())),
            None => waiting.push(item),
        }
    }
    Ok((rows, waiting))
}

/// The wholes, and all others. Not before its components have rows is known whether a whole passes, and what has no row yet
/// is swept again by a sweep that goes on.
fn apart(rows: Vec<Row>) -> (Vec<Row>, Vec<Row>) {
    rows.into_iter()
        .partition(|row| matches!(row.through, Some(Through::Components(_))))
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
        through: outcome.whole.map(Through::Parent).or_else(|| {
            let components = outcome.components;
            (!components.is_empty()).then_some(Through::Components(components))
        }),
        run: outcome.run,
        class,
        generation,
        verdicts: outcome.verdicts,
        reused: outcome.reused,
        seconds,
        cpu_seconds: outcome.cpu_seconds,
        peak_resident_bytes: outcome.peak_resident_bytes,
        // What stands for the library's own types is only what the library's own code has said: a folder's code can
        // claim to have called anything.
        exercised: match item.request.target.source {
            ModelSource::Library => outcome.exercised,
            ModelSource::Folder { .. } => Vec::new(),
        },
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
        .filter(|verdict| verdict.backend.spec().generates)
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
        components: Vec::new(),
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

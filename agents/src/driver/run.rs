//! A launch as a run of the ledger: its lock, the run that it is or goes on with, and the outcome that it leaves.

use std::sync::Arc;

use portwright_core::{Digest, RunId, event::Event};
use portwright_knowledge::rules::learnt::LearntRule;
use portwright_ledger::{Ledger, NewRun, NewStep, Run, RunLock};
use portwright_tools::repository;

use super::{
    DriverError, Outcome, Request, Session, contained::contained, launch::Launch, learn,
    space::remove_folder, steps::Steps,
};

/// Takes `request` all the way. Two processes with one request work one after the other: the second finds the
/// first's result.
pub async fn run(session: &Session, request: &Request) -> Result<Outcome, DriverError> {
    let key = key(session, request)?;
    let _lock = lock(session, &key).await?;
    let known = Known::new(session)?;
    if let Some(outcome) = known.finished(request, &key)? {
        return Ok(outcome);
    }
    let learnt = known.learnt;
    let launch = Launch {
        steps: begin(session, request, &key)?,
        request,
    };
    let outcome = Outcome {
        offered: learnt.iter().map(|rule| rule.name.clone()).collect(),
        ..contained(launch.to_its_end(&learnt)).await?
    };
    keep(&launch.steps, &outcome)?;
    let exit_code = u8::from(!outcome.passed());
    let record = session.ledger.finish_run(&launch.steps.run, exit_code)?;
    session.observer.event(&record);
    if exit_code == 0 || !request.effort.keep_files {
        launch.steps.remove_files()?;
    }
    Ok(outcome)
}

/// Removes what a launch left that was killed when all but this was done.
fn remove_left_over(session: &Session, request: &Request, run: &Run) -> Result<(), DriverError> {
    if run.exit_code == Some(0) || !request.effort.keep_files {
        remove_folder(&session.work_folder(&run.id))?;
    }
    Ok(())
}

/// Takes the right to work on the run, waiting for it on a thread of its own so that an interrupt is still heard.
async fn lock(session: &Session, key: &Digest) -> Result<RunLock, DriverError> {
    let (folder, key) = (session.ledger.folder().to_owned(), key.clone());
    let observer = Arc::clone(&session.observer);
    let waiting = move || RunLock::acquire(&folder, &key, |holder| observer.waiting(holder.pid));
    Ok(tokio::task::spawn_blocking(waiting).await??)
}

/// What the ledger knows of requests that were taken to their end before.
pub struct Known<'a> {
    session: &'a Session,
    learnt: Vec<LearntRule>,
}

impl<'a> Known<'a> {
    pub fn new(session: &'a Session) -> Result<Self, DriverError> {
        let learnt = learn::known(session)?;
        Ok(Self { session, learnt })
    }

    /// How a request ended, where it has. A run that has ended is nobody's any more, so nothing is waited for.
    pub fn outcome(&self, request: &Request) -> Result<Option<Outcome>, DriverError> {
        self.finished(request, &key(self.session, request)?)
    }

    /// The outcome of a run with this key that has ended and whose commit, if it made one, is still there. A pass stays
    /// what it is, whatever was learnt since; a failure that a new rule answers is worked on again.
    fn finished(&self, request: &Request, key: &Digest) -> Result<Option<Outcome>, DriverError> {
        let session = self.session;
        let Some(run) = session.ledger.find_run_by_key(key)? else {
            return Ok(None);
        };
        if run.finished_ms.is_none() {
            return Ok(None);
        }
        remove_left_over(session, request, &run)?;
        let Some(outcome) = kept(&session.ledger, &run.id)? else {
            return Ok(None);
        };
        if learn::is_outdated(&outcome, &self.learnt) {
            return Ok(None);
        }
        let there = match (&outcome.commit, &request.repository) {
            (Some(commit), Some(repository)) => repository::contains(repository, commit)?,
            _ => true,
        };
        Ok(there.then_some(Outcome {
            reused: true,
            ..outcome
        }))
    }
}

fn key(session: &Session, request: &Request) -> Result<Digest, DriverError> {
    Ok(Digest::of_json(&(&session.identity, request))?)
}

fn begin<'a>(
    session: &'a Session,
    request: &Request,
    key: &Digest,
) -> Result<Steps<'a>, DriverError> {
    if let Some(run) = session.ledger.find_run_by_key(key)?
        && run.finished_ms.is_none()
    {
        let record = session.ledger.resume(&run.id)?;
        session.observer.event(&record);
        return Steps::new(session, run.id, request.fresh);
    }
    let run = session.ledger.begin_run(&NewRun {
        key: key.clone(),
        target: request.target.name.clone(),
        model_type: request.target.model_type.clone(),
        settings: serde_json::to_value(request)?,
    })?;
    for record in session.ledger.events(&run.id)? {
        session.observer.event(&record);
    }
    Steps::new(session, run.id, request.fresh)
}

/// The outcome that a run has left in the ledger.
pub fn kept(ledger: &Ledger, run: &RunId) -> Result<Option<Outcome>, DriverError> {
    let step = ledger.step_result(&outcome_key(run)?)?;
    Ok(step
        .map(|step| serde_json::from_value(step.result))
        .transpose()?)
}

fn outcome_key(run: &RunId) -> Result<Digest, DriverError> {
    Ok(Digest::of_json(&(run, "outcome"))?)
}

/// Keeps the outcome, so that the same command is answered from the ledger.
fn keep(steps: &Steps<'_>, outcome: &Outcome) -> Result<(), DriverError> {
    if let (Some(branch), Some(commit)) = (&outcome.branch, &outcome.commit) {
        steps.event(Event::Committed {
            branch: branch.clone(),
            commit: commit.clone(),
        })?;
    }
    steps.session.ledger.record_step(&NewStep {
        key: &outcome_key(&steps.run)?,
        step: "outcome",
        run: &steps.run,
        result: &serde_json::to_value(outcome)?,
        artefacts: &[],
        seconds: 0.0,
    })?;
    Ok(())
}

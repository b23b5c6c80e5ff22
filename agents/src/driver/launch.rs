//! A launch from its beginning to its end, or from where a killed one stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portwright_core::{
    Backend, Digest, Finding, PortPlan, RunId, Verdict, event::Event, verdict::BackendVerdict,
};
use portwright_knowledge::rules::learnt::LearntRule;
use portwright_ledger::{Ledger, NewRun, NewStep, Run, RunLock};
use portwright_tools::repository;

use crate::{
    analyst::{Analysis, Analyst},
    fixer::{Fixer, GaveUp},
    protocol::{Action, Agent as _, Observation, Proposal},
};

use super::{
    DriverError, Outcome, Request, Session, Verify,
    ablate::ablated,
    analyse::analyse,
    attempt::{Attempted, all, attempt},
    consult::Consultant,
    contained::contained,
    diverge,
    generation::generation,
    ground::Phase,
    learn::{self, Repaired},
    plain, publish,
    reproduce::reproduce,
    space::remove_folder,
    steps::Steps,
};

/// Takes `request` all the way. Two processes with one request work one after the other: the second finds the
/// first's result.
pub async fn run(session: &Session, request: &Request) -> Result<Outcome, DriverError> {
    let key = Digest::of_json(&(&session.identity, request))?;
    let _lock = lock(session, &key).await?;
    let learnt = learn::known(session)?;
    if let Some(outcome) = finished(session, request, &key, &learnt)? {
        return Ok(outcome);
    }
    let steps = begin(session, request, &key)?;
    let outcome = Outcome {
        offered: learnt.iter().map(|rule| rule.name.clone()).collect(),
        ..contained(work(&steps, request, &learnt)).await?
    };
    keep(&steps, &outcome)?;
    let exit_code = u8::from(!outcome.passed());
    let record = session.ledger.finish_run(&steps.run, exit_code)?;
    session.observer.event(&record);
    if exit_code == 0 || !request.effort.keep_files {
        steps.remove_files()?;
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

/// The outcome of a run with this key that has ended and whose commit, if it made one, is still there. A pass stays what
/// it is, whatever was learnt since; a failure that a new rule answers is worked on again.
fn finished(
    session: &Session,
    request: &Request,
    key: &Digest,
    learnt: &[LearntRule],
) -> Result<Option<Outcome>, DriverError> {
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
    if learn::is_outdated(&outcome, learnt) {
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

async fn work(
    steps: &Steps<'_>,
    request: &Request,
    learnt: &[LearntRule],
) -> Result<Outcome, DriverError> {
    let consultant = Consultant::new(steps, request);
    let analysis = match analyse(steps, request, &consultant).await? {
        Ok(analysis) => analysis,
        Err(failure) => {
            let verdicts = all(&request.backends, &failure);
            return Ok(outcome(
                steps,
                request,
                None,
                None,
                verdicts,
                None,
                Vec::new(),
            ));
        }
    };
    steps.decided(
        Analyst::NAME,
        format!(
            "{} ({}, {}), found in {} {}",
            analysis.plan.class,
            analysis.plan.task,
            analysis.plan.family,
            analysis.tries,
            if analysis.tries == 1 { "try" } else { "tries" }
        ),
    )?;
    let (row, repairs) = repair(steps, request, &analysis, learnt, &consultant).await?;
    let (plan, searched) = (row.plan, row.verdicts);
    let passing: Vec<Backend> = searched
        .iter()
        .filter(|v| v.verdict == Verdict::Pass)
        .map(|v| v.backend)
        .collect();
    let proven = request.effort.verify == Verify::Repaired && plan == *analysis.plan;
    if passing.is_empty() || proven {
        let searched = plain::confirmed(steps, request, &plan, Phase::Search, searched).await?;
        let generated =
            generation(steps, request, &analysis.card, &plan, &request.backends).await?;
        return Ok(outcome(
            steps,
            request,
            Some(&analysis),
            Some(plan),
            searched,
            None,
            generated,
        ));
    }
    // Once more from nothing: only what passes on a fresh build and on seeds that no earlier step used counts.
    let plan = trimmed(&plan, &passing);
    let mut fresh = attempt(steps, request, &plan, &passing, Phase::Fresh).await?;
    fresh.verdicts = plain::confirmed(steps, request, &plan, Phase::Fresh, fresh.verdicts).await?;
    learn::verified(steps, request, &repairs, &fresh.verdicts)?;
    let fresh = match request.effort.verify {
        Verify::Always => tested(steps, request, fresh).await?,
        Verify::Repaired => fresh,
    };
    let committed =
        publish::publish(steps, request, &analysis.card, &plan, &fresh.verdicts).await?;
    let verdicts = merged(searched, fresh.verdicts);
    let generated = generation(steps, request, &analysis.card, &plan, &request.backends).await?;
    Ok(outcome(
        steps,
        request,
        Some(&analysis),
        Some(plan),
        verdicts,
        committed,
        generated,
    ))
}

/// Takes the analyst's plan to every backend, and lets a fixer repair one failing backend after the other while the
/// budget lasts. Answers with the best plan, its verdicts, and the repairs that led to it.
async fn repair(
    steps: &Steps<'_>,
    request: &Request,
    analysis: &Analysis,
    learnt: &[LearntRule],
    consultant: &Consultant<'_>,
) -> Result<(Row, Vec<Repaired>), DriverError> {
    let everywhere = &request.backends;
    let mut row = Row {
        plan: (*analysis.plan).clone(),
        verdicts: attempt(steps, request, &analysis.plan, everywhere, Phase::Search)
            .await?
            .verdicts,
    };
    // Once in a launch: the attempts after it mostly differ in the same place.
    let mut explained = false;
    for verdict in &mut row.verdicts {
        explained |= diverge::explain(steps, request, &row.plan, verdict).await?;
        if verdict.verdict != Verdict::Unavailable
            && let Some(finding) = &verdict.finding
        {
            steps.met(&row.plan, finding);
        }
    }
    // Each backend has a budget of its own: what one of them spends is not missing from another.
    let mut left: BTreeMap<Backend, u32> = BTreeMap::new();
    let mut begun = BTreeMap::new();
    let mut given_up = BTreeSet::new();
    let mut repairs = Vec::new();
    while let Some((backend, finding)) = row.failing(&given_up) {
        // What was taken before its first repair is no time for its repairs: a port that is slow to fail needs them most.
        let before = begun.entry(backend).or_insert_with(|| steps.costs());
        let mut fixer = Fixer::new(
            (*analysis.card).clone(),
            left.get(&backend).copied().unwrap_or(request.attempts),
            learnt.to_vec(),
            consultant.advisor(),
        );
        let mut observation = Observation::Attempted {
            plan: Box::new(row.plan.clone()),
            finding: Box::new(finding.clone()),
        };
        loop {
            let out_of_time = steps.costs().exceed(before, request.repair_seconds);
            let proposal = match decide(
                steps,
                request,
                consultant,
                &mut fixer,
                observation,
                out_of_time,
            )
            .await?
            {
                Ok(proposal) => proposal,
                Err(gave_up) => {
                    steps.decided(
                        Fixer::NAME,
                        format!("gives up on {backend}: {}", gave_up.reason),
                    )?;
                    given_up.insert(backend);
                    break;
                }
            };
            let plan = (*proposal.plan).clone();
            steps.proposed();
            steps.decided(
                Fixer::NAME,
                format!("{backend}: {}", proposal.adaptation.provenance.reason),
            )?;
            let tried = attempt(steps, request, &plan, &[backend], Phase::Search)
                .await?
                .verdicts;
            let mut tried = tried.into_iter().next();
            if let Some(verdict) = tried.as_mut().filter(|_| !explained) {
                explained = diverge::explain(steps, request, &plan, verdict).await?;
            }
            if let Some(verdict) = tried
                && let Some(finding) = verdict.finding.clone()
            {
                learn::tried(steps, request, learnt, &proposal, Some(&verdict))?;
                observation = Observation::Attempted {
                    plan: Box::new(plan),
                    finding: Box::new(finding),
                };
                continue;
            }
            // A repair of one backend may break another: the whole row is judged on the repaired plan.
            let verdicts = attempt(steps, request, &plan, everywhere, Phase::Search)
                .await?
                .verdicts;
            let repaired = Row { plan, verdicts };
            if repaired.passes() > row.passes() {
                let repaired = ablated(steps, request, &row.plan, repaired, backend).await?;
                repairs.push(Repaired {
                    backend,
                    finding,
                    before: row.plan,
                    after: repaired.plan.clone(),
                });
                row = repaired;
                break;
            }
            learn::tried(steps, request, learnt, &proposal, None)?;
            observation = Observation::BrokeAnother;
        }
        left.insert(backend, fixer.left());
    }
    Ok((row, repairs))
}

/// Drives the fixer to its decision; on the way it may reduce the failure and ask the model.
async fn decide(
    steps: &Steps<'_>,
    request: &Request,
    consultant: &Consultant<'_>,
    fixer: &mut Fixer,
    mut observation: Observation,
    out_of_time: bool,
) -> Result<Result<Proposal, GaveUp>, DriverError> {
    if out_of_time {
        fixer.stop_searching("the time for repairs is spent (`run.repair_seconds`)");
    }
    loop {
        observation = match fixer.step(observation) {
            Action::Finish(decision) => return Ok(decision),
            Action::Consult { question } => consultant.consult(Fixer::NAME, &question).await?,
            Action::Look { lookup } => consultant.look(&lookup),
            Action::Reproduce { reproduction } => {
                reproduce(steps, request, Fixer::NAME, &reproduction).await?
            }
            _ => {
                return Ok(Err(GaveUp {
                    reason: "it asked for what a fixer may not do".to_owned(),
                }));
            }
        };
    }
}

/// A plan and its verdicts on the requested backends.
pub struct Row {
    pub plan: PortPlan,
    pub verdicts: Vec<BackendVerdict>,
}

impl Row {
    pub fn passes(&self) -> usize {
        self.verdicts
            .iter()
            .filter(|v| v.verdict == Verdict::Pass)
            .count()
    }

    /// The first backend that does not pass and is not given up, with its finding.
    fn failing(&self, given_up: &BTreeSet<Backend>) -> Option<(Backend, Finding)> {
        self.verdicts
            .iter()
            // No plan makes an absent backend come.
            .filter(|v| !matches!(v.verdict, Verdict::Pass | Verdict::Unavailable))
            .filter(|v| !given_up.contains(&v.backend))
            .find_map(|v| Some((v.backend, v.finding.clone()?)))
    }
}

/// The plan with only what the passing backends need, so that the skillset claims nothing else.
fn trimmed(plan: &PortPlan, passing: &[Backend]) -> PortPlan {
    let mut plan = plan.clone();
    plan.keep_backends(passing);
    plan
}

/// The fresh attempt with its skillset's own tests run: a skillset whose tests fail passes nowhere.
async fn tested(
    steps: &Steps<'_>,
    request: &Request,
    mut fresh: Attempted,
) -> Result<Attempted, DriverError> {
    if let Some(skillset) = &fresh.skillset
        && fresh.passes() > 0
        && let Some(failure) = publish::test(steps, request, skillset).await?
    {
        let backends: Vec<Backend> = fresh.verdicts.iter().map(|v| v.backend).collect();
        fresh.verdicts = all(&backends, &failure);
    }
    Ok(fresh)
}

/// The searched verdicts, each replaced by the fresh one where there is one.
fn merged(searched: Vec<BackendVerdict>, fresh: Vec<BackendVerdict>) -> Vec<BackendVerdict> {
    searched
        .into_iter()
        .map(|old| {
            fresh
                .iter()
                .find(|new| new.backend == old.backend)
                .cloned()
                .unwrap_or(old)
        })
        .collect()
}

fn outcome(
    steps: &Steps<'_>,
    request: &Request,
    analysis: Option<&Analysis>,
    plan: Option<PortPlan>,
    verdicts: Vec<BackendVerdict>,
    committed: Option<publish::Commit>,
    generation: Vec<BackendVerdict>,
) -> Outcome {
    let costs = steps.costs();
    let trail = steps.trail();
    let (branch, commit) = committed.map(|c| (c.branch, c.commit)).unzip();
    Outcome {
        run: steps.run.clone(),
        model_type: request.target.model_type.clone(),
        library_version: steps
            .session
            .environment
            .transformers()
            .unwrap_or_default()
            .to_owned(),
        verdicts,
        generation,
        branch,
        commit,
        exercised: analysis
            .map(|analysis| analysis.exercised.clone())
            .unwrap_or_default(),
        components: trail.components,
        whole: analysis.and_then(|analysis| analysis.whole().cloned()),
        cpu_seconds: costs.cpu_seconds,
        peak_resident_bytes: costs.peak_resident_bytes,
        plan,
        met: trail.met,
        proposals: trail.proposals,
        offered: Vec::new(),
        reused: false,
    }
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

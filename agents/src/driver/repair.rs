//! Repairs: one failing backend after the other has a fixer, while its budget lasts.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{Backend, Finding, PortPlan, Verdict, verdict::BackendVerdict};
use portwright_knowledge::rules::learnt::LearntRule;

use crate::{
    analyst::Analysis,
    fixer::{Fixer, GaveUp},
    protocol::{Action, Agent as _, Observation, Proposal},
};

use super::{DriverError, consult::Consultant, ground::Phase, launch::Launch, learn::Repaired};

impl Launch<'_> {
    /// Takes the analyst's plan to every backend, and lets a fixer repair one failing backend after the other while the
    /// budget lasts. Answers with the best plan, its verdicts, and the repairs that led to it.
    pub async fn repair(
        &self,
        analysis: &Analysis,
        learnt: &[LearntRule],
        consultant: &Consultant<'_>,
    ) -> Result<(Row, Vec<Repaired>), DriverError> {
        let everywhere = &self.request.backends;
        let mut row = Row {
            plan: (*analysis.plan).clone(),
            verdicts: self
                .attempt(&analysis.plan, everywhere, Phase::Search)
                .await?
                .verdicts,
        };
        // Once in a launch: the attempts after it mostly differ in the same place.
        let mut explained = false;
        for verdict in &mut row.verdicts {
            explained |= self.explain(&row.plan, verdict).await?;
            if verdict.verdict != Verdict::Unavailable
                && let Some(finding) = &verdict.finding
            {
                self.steps.met(&row.plan, finding);
            }
        }
        // Each backend has a budget of its own: what one of them spends is not missing from another.
        let mut left: BTreeMap<Backend, u32> = BTreeMap::new();
        let mut begun = BTreeMap::new();
        let mut given_up = BTreeSet::new();
        let mut repairs = Vec::new();
        while let Some((backend, finding)) = row.failing(&given_up) {
            // What was taken before its first repair is no time for its repairs: a port that is slow to fail needs them most.
            let before = begun.entry(backend).or_insert_with(|| self.steps.costs());
            let mut fixer = Fixer::new(
                (*analysis.card).clone(),
                left.get(&backend).copied().unwrap_or(self.request.attempts),
                learnt.to_vec(),
                consultant.advisor(),
            );
            let mut observation = Observation::Attempted {
                plan: Box::new(row.plan.clone()),
                finding: Box::new(finding.clone()),
            };
            loop {
                let out_of_time = self
                    .steps
                    .costs()
                    .exceed(before, self.request.repair_seconds);
                let proposal = match self
                    .decide(consultant, &mut fixer, observation, out_of_time)
                    .await?
                {
                    Ok(proposal) => proposal,
                    Err(gave_up) => {
                        self.steps.decided(
                            Fixer::NAME,
                            format!("gives up on {backend}: {}", gave_up.reason),
                        )?;
                        given_up.insert(backend);
                        break;
                    }
                };
                let plan = (*proposal.plan).clone();
                self.steps.proposed();
                self.steps.decided(
                    Fixer::NAME,
                    format!("{backend}: {}", proposal.adaptation.provenance.reason),
                )?;
                let tried = self
                    .attempt(&plan, &[backend], Phase::Search)
                    .await?
                    .verdicts;
                let mut tried = tried.into_iter().next();
                if let Some(verdict) = tried.as_mut().filter(|_| !explained) {
                    explained = self.explain(&plan, verdict).await?;
                }
                if let Some(verdict) = tried
                    && let Some(finding) = verdict.finding.clone()
                {
                    self.learn_failed(learnt, &proposal, Some(&verdict))?;
                    observation = Observation::Attempted {
                        plan: Box::new(plan),
                        finding: Box::new(finding),
                    };
                    continue;
                }
                // A repair of one backend may break another: the whole row is judged on the repaired plan.
                let verdicts = self
                    .attempt(&plan, everywhere, Phase::Search)
                    .await?
                    .verdicts;
                let repaired = Row { plan, verdicts };
                if repaired.passes() > row.passes() {
                    let repaired = self.ablated(&row.plan, repaired, backend).await?;
                    repairs.push(Repaired {
                        backend,
                        finding,
                        before: row.plan,
                        after: repaired.plan.clone(),
                    });
                    row = repaired;
                    break;
                }
                self.learn_failed(learnt, &proposal, None)?;
                observation = Observation::BrokeAnother;
            }
            left.insert(backend, fixer.left());
        }
        Ok((row, repairs))
    }

    /// Drives the fixer to its decision; on the way it may reduce the failure and ask the model.
    async fn decide(
        &self,
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
                    self.reproduce(Fixer::NAME, &reproduction).await?
                }
                _ => {
                    return Ok(Err(GaveUp {
                        reason: "it asked for what a fixer may not do".to_owned(),
                    }));
                }
            };
        }
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

//! A launch: from the analysis to the commit.

use portwright_core::{Backend, PortPlan, Verdict, verdict::BackendVerdict};
use portwright_knowledge::rules::learnt::LearntRule;

use crate::{
    analyst::{Analysis, Analyst},
    protocol::Agent as _,
};

use super::{
    DriverError, Outcome, Request, Verify, attempt::Attempted, consult::Consultant, ground::Phase,
    port::all, publish, steps::Steps,
};

/// One launch: what was asked for, and the steps that it takes. Each file of the driver adds the part of the way that it is
/// named for.
pub struct Launch<'a> {
    pub steps: Steps<'a>,
    pub request: &'a Request,
}

impl Launch<'_> {
    /// Takes the launch all the way.
    pub async fn to_its_end(&self, learnt: &[LearntRule]) -> Result<Outcome, DriverError> {
        let consultant = Consultant::new(self);
        let analysis = match self.analyse(&consultant).await? {
            Ok(analysis) => analysis,
            Err(failure) => {
                let verdicts = all(&self.request.backends, &failure);
                return Ok(self.outcome(None, None, verdicts, None, Vec::new()));
            }
        };
        self.steps.decided(
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
        let (row, repairs) = self.repair(&analysis, learnt, &consultant).await?;
        let (plan, searched) = (row.plan, row.verdicts);
        let passing: Vec<Backend> = searched
            .iter()
            .filter(|v| v.verdict == Verdict::Pass)
            .map(|v| v.backend)
            .collect();
        let proven = self.request.effort.verify == Verify::Repaired && plan == *analysis.plan;
        if passing.is_empty() || proven {
            let searched = self.confirmed(&plan, Phase::Search, searched).await?;
            let generated = self
                .generation(&analysis.card, &plan, &self.request.backends)
                .await?;
            return Ok(self.outcome(Some(&analysis), Some(plan), searched, None, generated));
        }
        // Once more from nothing: only what passes on a fresh build and on seeds that no earlier step used counts.
        let plan = trimmed(&plan, &passing);
        let mut fresh = self.attempt(&plan, &passing, Phase::Fresh).await?;
        fresh.verdicts = self.confirmed(&plan, Phase::Fresh, fresh.verdicts).await?;
        self.learn_verified(&repairs, &fresh.verdicts)?;
        let fresh = match self.request.effort.verify {
            Verify::Always => self.tested(fresh).await?,
            Verify::Repaired => fresh,
        };
        let committed = self.publish(&analysis.card, &plan, &fresh.verdicts).await?;
        let verdicts = merged(searched, fresh.verdicts);
        let generated = self
            .generation(&analysis.card, &plan, &self.request.backends)
            .await?;
        Ok(self.outcome(Some(&analysis), Some(plan), verdicts, committed, generated))
    }

    /// The fresh attempt with its skillset's own tests run: a skillset whose tests fail passes nowhere.
    async fn tested(&self, mut fresh: Attempted) -> Result<Attempted, DriverError> {
        if let Some(skillset) = &fresh.skillset
            && fresh.passes() > 0
            && let Some(failure) = self.test_skillset(skillset).await?
        {
            let backends: Vec<Backend> = fresh.verdicts.iter().map(|v| v.backend).collect();
            fresh.verdicts = all(&backends, &failure);
        }
        Ok(fresh)
    }

    fn outcome(
        &self,
        analysis: Option<&Analysis>,
        plan: Option<PortPlan>,
        verdicts: Vec<BackendVerdict>,
        committed: Option<publish::Commit>,
        generation: Vec<BackendVerdict>,
    ) -> Outcome {
        let costs = self.steps.costs();
        let trail = self.steps.trail();
        let (branch, commit) = committed.map(|c| (c.branch, c.commit)).unzip();
        Outcome {
            run: self.steps.run.clone(),
            model_type: self.request.target.model_type.clone(),
            library_version: self
                .steps
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
}

/// The plan with only what the passing backends need, so that the skillset claims nothing else.
fn trimmed(plan: &PortPlan, passing: &[Backend]) -> PortPlan {
    let mut plan = plan.clone();
    plan.keep_backends(passing);
    plan
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

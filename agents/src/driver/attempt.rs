//! One attempt: a plan taken to every requested backend and judged.

use std::path::PathBuf;

use portwright_core::{
    Backend, Digest, Finding, PortPlan, Verdict, job::OUT_OF_DISK, verdict::BackendVerdict,
};
use serde_json::json;

use super::{
    DriverError,
    forward::Forward,
    ground::{Ground, Phase},
    launch::Launch,
    port::{Ported as _, all, port},
};

/// An attempt's verdicts, in the order of the requested backends, and the skillset's folder where there is one.
pub struct Attempted {
    pub verdicts: Vec<BackendVerdict>,
    pub skillset: Option<PathBuf>,
}

impl Attempted {
    pub fn passes(&self) -> usize {
        self.verdicts
            .iter()
            .filter(|v| v.verdict == Verdict::Pass)
            .count()
    }
}

impl Launch<'_> {
    /// Builds, runs and judges `plan` on every requested backend, and records the verdicts.
    pub async fn attempt(
        &self,
        plan: &PortPlan,
        backends: &[Backend],
        phase: Phase,
    ) -> Result<Attempted, DriverError> {
        let record = |verdict: &BackendVerdict| {
            let session = self.steps.session;
            let fresh = phase == Phase::Fresh;
            let record = session
                .ledger
                .record_verdict(&self.steps.run, verdict, fresh)?;
            session.observer.event(&record);
            Ok(())
        };
        self.judged(plan, backends, phase, &record).await
    }

    /// What the judge makes of `plan` on every requested backend. `told` hears each verdict as it is reached; here none is
    /// recorded as one of the run.
    pub async fn judged(
        &self,
        plan: &PortPlan,
        backends: &[Backend],
        phase: Phase,
        told: &dyn Fn(&BackendVerdict) -> Result<(), DriverError>,
    ) -> Result<Attempted, DriverError> {
        let skillset = match self.generate(plan, phase).await? {
            Ok(folder) => folder,
            Err(failure) => {
                return Ok(Attempted {
                    verdicts: all(backends, &failure),
                    skillset: None,
                });
            }
        };
        // The code is part of the key, and so are the templates it was rendered from.
        let code = Digest::of_json(&self.code(plan)?)?;
        let mut forward = Forward::new(self, plan, phase, skillset);
        let mut verdicts = Vec::with_capacity(backends.len());
        for &backend in backends {
            let key = json!([
                phase,
                backend,
                code,
                plan,
                self.request.target.source_digest,
                self.request.checkpoint_digest,
                // A verdict of which no artefact was kept is no answer to one who wants to keep it.
                self.request.effort.keep_artefacts
            ]);
            let step = format!("judge {backend}");
            let verdict = self
                .steps
                .remembered(&step, &key, lasting, async || {
                    port(&mut forward, backend).await
                })
                .await?;
            told(&verdict)?;
            verdicts.push(verdict);
        }
        Ok(Attempted {
            verdicts,
            skillset: Some(forward.skillset),
        })
    }

    /// What a plan is judged on, and the artefact that it makes for a backend; nothing where either cannot be had. A launch
    /// that has made them takes what it has.
    pub async fn artefact(
        &self,
        plan: &PortPlan,
        backend: Backend,
        phase: Phase,
    ) -> Result<Option<(Ground, PathBuf)>, DriverError> {
        let Ok(skillset) = self.generate(plan, phase).await? else {
            return Ok(None);
        };
        let mut forward = Forward::new(self, plan, phase, skillset);
        let Ok(ground) = forward.ground(forward.is_dynamic(backend)).await? else {
            return Ok(None);
        };
        let made = forward.make(backend, &ground).await?;
        Ok(made.ok().map(|made| (ground, made.main)))
    }
}

/// Whether a verdict stays true: a limit of time may have been met because the machine was busy, and an absent backend
/// may come.
pub fn lasting(verdict: &BackendVerdict) -> bool {
    // Nor does a full work folder: what the launch did before has its part in that.
    let full = |finding: &Finding| finding.signature.0.contains(OUT_OF_DISK);
    !matches!(verdict.verdict, Verdict::TimedOut | Verdict::Unavailable)
        && !verdict.finding.as_ref().is_some_and(full)
}

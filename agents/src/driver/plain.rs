//! The reference once more, by plain Python and the library, before anything that was compared with it counts.

use std::sync::Arc;

use portwright_core::{
    Backend, Finding, PortPlan, Signature, Stage, Verdict,
    job::{JobOutcome, JobReport},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    elsewhere::{Place, Task},
    judge::{Outputs, plain as judge},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    DriverError,
    ground::{Failure, Ground, Phase},
    launch::Launch,
    port::not_passed,
    space::had_space,
};

/// How the step is called, in events and among the costs.
const STEP: &str = "plain reference";

/// How many input sets are computed: the example, and one of other sizes or values.
const SETS: usize = 2;

/// What came of it; without a failure the two agree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Compared {
    failure: Option<Failure>,
}

impl Launch<'_> {
    /// The verdicts, where a plain process computes the reference that they rest on. Where it does not, no pass stays one.
    pub async fn confirmed(
        &self,
        plan: &PortPlan,
        phase: Phase,
        verdicts: Vec<BackendVerdict>,
    ) -> Result<Vec<BackendVerdict>, DriverError> {
        let passing = verdicts
            .iter()
            .find(|verdict| verdict.verdict == Verdict::Pass);
        let Some(backend) = passing.map(|verdict| verdict.backend) else {
            return Ok(verdicts);
        };
        let Some(failure) = self.computes_the_same(plan, phase, backend).await? else {
            return Ok(verdicts);
        };
        let answered = |verdict: BackendVerdict| match verdict.verdict {
            Verdict::Pass => not_passed(verdict.backend, &failure),
            _ => verdict,
        };
        Ok(verdicts.into_iter().map(answered).collect())
    }

    async fn computes_the_same(
        &self,
        plan: &PortPlan,
        phase: Phase,
        backend: Backend,
    ) -> Result<Option<Failure>, DriverError> {
        let dynamic = plan.export_for(backend).is_none_or(|export| export.dynamic);
        // What the reference is computed from; how an artefact is made is no part of it.
        let key = json!([
            phase,
            dynamic,
            plan.module,
            plan.class,
            plan.config_module,
            plan.config_class,
            plan.methods,
            plan.session,
            plan.call,
            plan.config,
            plan.weights,
            plan.dims,
            plan.inputs,
            self.request.target.source_digest,
            self.request.checkpoint_digest
        ]);
        let lasting = |compared: &Compared| {
            compared
                .failure
                .as_ref()
                .is_none_or(|failure| failure.verdict != Verdict::TimedOut)
        };
        let compared = self
            .steps
            .remembered(STEP, &key, lasting, async || {
                let checkpoint = self.request.checkpoint.as_deref();
                let ground = self.prepare(plan, phase, dynamic, checkpoint).await?;
                let failure = match ground {
                    Ok(ground) => self.compare_plain(plan, ground).await?,
                    Err(failure) => Some(failure),
                };
                Ok(Compared { failure })
            })
            .await?;
        Ok(compared.failure)
    }

    async fn compare_plain(
        &self,
        plan: &PortPlan,
        ground: Ground,
    ) -> Result<Option<Failure>, DriverError> {
        let session = self.steps.session;
        let chosen: Vec<usize> = (0..ground.reference.sets.len())
            .filter(|&index| {
                ground.reference.sets[index].probe.is_none() && !ground.reference.sets[index].corner
            })
            .take(SETS)
            .collect();
        let task = Task {
            plan: plan.clone(),
            code: self.request.target.modelling.clone(),
            checkpoint: ground.checkpoint.clone(),
            weights: self.request.checkpoint_weights.clone(),
            inputs: ground.input_folder.clone(),
            sets: chosen
                .iter()
                .map(|&index| ground.reference.sets[index].clone())
                .collect(),
            threads: session.threads,
            limits: session.limits,
        };
        let place = Place {
            environment: session.environment.clone(),
            launcher: session.launcher.clone(),
            walls: session.walls,
        };
        let elsewhere = Arc::clone(&session.elsewhere);
        let done = tokio::task::spawn_blocking(move || elsewhere.run(&place, &task)).await??;
        self.steps.spent_on(STEP.to_owned(), &done.report);
        had_space(&done.report, &ground.input_folder, session.ledger.folder())?;
        let outputs = match done.outputs {
            None => return Ok(broken(&done.report)),
            Some(Err(error)) => {
                let finding = refused(&format!("its outputs cannot be read: {error}"));
                return Ok(Some(Failure::fail(finding)));
            }
            Some(Ok(outputs)) => outputs,
        };
        let reference = |sets: &[usize]| {
            let sets = sets
                .iter()
                .filter_map(|&index| ground.reference.outputs.0.get(index));
            Outputs(sets.cloned().collect())
        };
        let found = judge::steady(
            &Outputs(outputs.outputs.0.iter().take(1).cloned().collect()),
            &outputs.again,
        )
        .and_then(|()| judge::agree(&reference(&chosen), &outputs.outputs));
        Ok(found.err().map(Failure::fail))
    }
}

/// A process that did not end well, though the reference's job did.
fn broken(report: &JobReport) -> Option<Failure> {
    if let JobOutcome::Crashed { status, log } = &report.outcome {
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        let why = format!("it ended with {status}: {}", last.unwrap_or_default());
        return Some(Failure::fail(refused(&why)));
    }
    Failure::of_report(Stage::Reference, report)
}

fn refused(why: &str) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Reference,
        backend: None,
        signature: Signature::phrase("the reference fails in a plain process"),
        message: format!("a process of plain Python and the library does not compute the reference: {why}"),
        error: None,
        hint: Some("load the model in a fresh Python and call it on the plan's inputs: what fails there is the cause".to_owned()),
    })
}

//! One attempt: a plan taken to every requested backend and judged. Carries out the porter's actions.

use std::path::{Path, PathBuf};

use portwright_core::{
    Backend, Digest, Finding, PortPlan, Signature, Stage, Verdict,
    job::{Job, JobReport, OUT_OF_DISK},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    backends::{self, Tuning},
    judge::{self, Case, Expected, branches},
};
use serde_json::json;

use crate::{
    porter::Porter,
    protocol::{Action, Agent as _, Observation},
};

use super::{
    DriverError, Request,
    analyse::{code, failed, generate},
    artefact,
    execution::execute,
    ground::{Failure, Ground, Phase, path_text, prepare},
    made::{Artefacts, Made},
    steps::Steps,
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

/// Builds, runs and judges `plan` on every requested backend, and records the verdicts.
pub async fn attempt(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backends: &[Backend],
    phase: Phase,
) -> Result<Attempted, DriverError> {
    let record = |verdict: &BackendVerdict| {
        let ledger = &steps.session.ledger;
        let record = ledger.record_verdict(&steps.run, verdict, phase == Phase::Fresh)?;
        steps.session.observer.event(&record);
        Ok(())
    };
    judged(steps, request, plan, backends, phase, &record).await
}

/// What the judge makes of `plan` on every requested backend. `told` hears each verdict as it is reached; here none is
/// recorded as one of the run.
pub async fn judged(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backends: &[Backend],
    phase: Phase,
    told: &dyn Fn(&BackendVerdict) -> Result<(), DriverError>,
) -> Result<Attempted, DriverError> {
    let skillset = match generate(steps, request, plan, phase).await? {
        Ok(folder) => folder,
        Err(failure) => {
            return Ok(Attempted {
                verdicts: all(backends, &failure),
                skillset: None,
            });
        }
    };
    // The code is part of the key, and so are the templates it was rendered from.
    let code = Digest::of_json(&code(steps, request, plan)?)?;
    let mut attempt = Attempt {
        steps,
        request,
        plan,
        phase,
        skillset,
        artefacts: Artefacts::new(steps, request, plan, phase),
    };
    let mut verdicts = Vec::with_capacity(backends.len());
    for &backend in backends {
        let key = json!([
            phase,
            backend,
            code,
            plan,
            request.target.source_digest,
            request.checkpoint_digest,
            // A verdict of which no artefact was kept is no answer to one who wants to keep it.
            request.effort.keep_artefacts
        ]);
        let verdict = steps
            .remembered(&format!("judge {backend}"), &key, lasting, async || {
                attempt.port(backend).await
            })
            .await?;
        told(&verdict)?;
        verdicts.push(verdict);
    }
    Ok(Attempted {
        verdicts,
        skillset: Some(attempt.skillset),
    })
}

/// What a plan is judged on, and the artefact that it makes for a backend; nothing where either cannot be had. A launch
/// that has made them takes what it has.
pub async fn artefact(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backend: Backend,
    phase: Phase,
) -> Result<Option<(Ground, PathBuf)>, DriverError> {
    let Ok(skillset) = generate(steps, request, plan, phase).await? else {
        return Ok(None);
    };
    let mut attempt = Attempt {
        steps,
        request,
        plan,
        phase,
        skillset,
        artefacts: Artefacts::new(steps, request, plan, phase),
    };
    let Ok(mut port) = attempt.begun(backend).await? else {
        return Ok(None);
    };
    attempt.build(&mut port).await?;
    Ok(port.made.map(|made| (port.ground, made.main())))
}

/// Whether a verdict stays true: a limit of time may have been met because the machine was busy, and an absent backend
/// may come.
pub fn lasting(verdict: &BackendVerdict) -> bool {
    // Nor does a full work folder: what the launch did before has its part in that.
    let full = |finding: &Finding| finding.signature.0.contains(OUT_OF_DISK);
    !matches!(verdict.verdict, Verdict::TimedOut | Verdict::Unavailable)
        && !verdict.finding.as_ref().is_some_and(full)
}

/// One plan on its way to every backend.
struct Attempt<'a> {
    steps: &'a Steps<'a>,
    request: &'a Request,
    plan: &'a PortPlan,
    phase: Phase,
    /// The rendered skillset's folder.
    skillset: PathBuf,
    artefacts: Artefacts<'a>,
}

/// What one backend's porter has so far.
struct Port {
    backend: Backend,
    /// Whether axes stay free; a backend that runs the module itself takes every size that the model takes.
    dynamic: bool,
    ground: Ground,
    /// The artefact, where the backend reads one.
    made: Option<Made>,
    /// The work folder of the job that executed.
    work: PathBuf,
}

impl Attempt<'_> {
    /// Drives the porter of one backend.
    async fn port(&mut self, backend: Backend) -> Result<BackendVerdict, DriverError> {
        if let Err(absent) = backends::of(backend).probe(backend, self.steps.session.places()) {
            return Ok(unavailable(backend, absent.to_string(), absent.hint));
        }
        let mut port = match self.begun(backend).await? {
            Ok(port) => port,
            Err(failure) => return Ok(not_passed(backend, &failure)),
        };
        let mut porter = Porter::new(backend);
        let mut action = porter.step(Observation::Begin);
        loop {
            let observation = match action {
                Action::Build { .. } => self.build(&mut port).await?,
                Action::Execute { .. } => self.execute(&mut port).await?,
                Action::Judge { report, .. } => match self.judge(&port, &report)? {
                    Ok(verdict) => Observation::Judged {
                        verdict: Box::new(verdict),
                    },
                    Err(failure) => failed(failure),
                },
                Action::Finish(verdict) => return Ok(*verdict),
                // The porter asks for nothing else; told what it did not ask for, it ends with a finding.
                _ => Observation::Rendered { files: 0 },
            };
            action = porter.step(observation);
        }
    }

    /// A backend's port with the ground that it is judged on, and nothing built yet.
    async fn begun(&self, backend: Backend) -> Result<Result<Port, Failure>, DriverError> {
        let export = self.plan.export_for(backend);
        let dynamic = export.is_none_or(|export| export.dynamic);
        let checkpoint = self.request.checkpoint.as_deref();
        let ground = prepare(
            self.steps,
            self.request,
            self.plan,
            self.phase,
            dynamic,
            checkpoint,
        )
        .await?;
        Ok(ground.map(|ground| Port {
            backend,
            dynamic,
            ground,
            made: None,
            work: PathBuf::new(),
        }))
    }

    async fn build(&mut self, port: &mut Port) -> Result<Observation, DriverError> {
        let (skillset, checkpoint) = (&self.skillset, &port.ground.checkpoint);
        let made = self.artefacts.of(port.backend, skillset, checkpoint);
        Ok(match made.await? {
            Ok(made) => {
                let artefact = Box::new(made.artefact.clone());
                port.made = Some(made);
                Observation::Built { artefact }
            }
            Err(failure) => failed(on(port.backend, failure)),
        })
    }

    async fn execute(&self, port: &mut Port) -> Result<Observation, DriverError> {
        let backend = port.backend;
        let session = self.steps.session;
        let artefact = port.made.as_ref().map(Made::main);
        let key = json!([
            self.phase,
            backend,
            self.plan,
            port.ground.checkpoint,
            port.ground.input_folder,
            artefact
        ]);
        let step = self
            .steps
            .step(&format!("run {backend}"), &key, async |folder| {
                let job = Job::Execute {
                    backend,
                    skillset: artefact.is_none().then(|| path_text(&self.skillset)),
                    artefact: artefact.as_deref().map(path_text),
                    checkpoint: path_text(&port.ground.checkpoint),
                    inputs: texts(&port.ground.inputs),
                    corners: texts(&port.ground.corners),
                    repeats: self.request.effort.repeats,
                    reloads: self.request.effort.reloads,
                };
                // The artefact's folder: its weights may lie in files beside it. Never the folder of the reference.
                let beside = artefact
                    .as_deref()
                    .and_then(Path::parent)
                    .unwrap_or(&self.skillset)
                    .to_owned();
                let mut readable = vec![
                    beside,
                    port.ground.checkpoint.clone(),
                    port.ground.input_folder.clone(),
                ];
                readable.extend(self.request.checkpoint_weights.iter().cloned());
                let tuning = Tuning::of(self.plan, session.threads);
                execute(self.steps, backend, job, folder, readable, tuning).await
            })
            .await?;
        port.work = step.folder.join("job");
        Ok(Observation::Executed {
            report: Box::new(step.value),
        })
    }

    fn judge(
        &self,
        port: &Port,
        report: &JobReport,
    ) -> Result<Result<BackendVerdict, Failure>, DriverError> {
        let backend = port.backend;
        let (folder, built) = match &port.made {
            Some(made) => (made.folder.as_path(), made.built.clone()),
            None => {
                let names = ["skillset.py", "weights.py", "whole.py"]
                    .map(str::to_owned)
                    .into();
                match artefact::read(self.steps, backend, &self.skillset, names)? {
                    Ok(built) => (self.skillset.as_path(), built),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        };
        let specialised = port.made.as_ref().map_or(&[][..], |made| &made.specialised);
        let mut verdict = judge::judge(&Case {
            backend: port.backend,
            expected: Expected::of(port.backend),
            tolerances: &self.steps.session.tolerances,
            reference: &port.ground.reference,
            report,
            work: &port.work,
            artefact: &built.digest,
            artefact_bytes: built.bytes,
            plan: &self.plan.digest()?,
            dynamic: port.dynamic,
            artefact_has_sizes: port.made.is_some(),
            made: &branches::specialised(specialised, &port.ground.branches),
        });
        // It may quote the names and types in the files of a job.
        verdict.finding = verdict.finding.map(Finding::bounded);
        artefact::keep(self.steps, self.request, verdict.verdict, folder, &built)?;
        Ok(Ok(verdict))
    }
}

fn texts(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| path_text(file)).collect()
}

pub fn unavailable(backend: Backend, message: String, hint: String) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict: Verdict::Unavailable,
        evidence: None,
        finding: Some(Finding {
            stage: Stage::Load,
            backend: Some(backend),
            signature: Signature::phrase("the backend is absent"),
            message,
            error: None,
            hint: Some(hint),
        }),
    }
}

fn on(backend: Backend, mut failure: Failure) -> Failure {
    failure.finding.backend = Some(backend);
    failure
}

pub fn not_passed(backend: Backend, failure: &Failure) -> BackendVerdict {
    BackendVerdict {
        backend,
        verdict: failure.verdict,
        evidence: None,
        finding: Some(*on(backend, failure.clone()).finding),
    }
}

/// One failure as the verdict on every backend.
pub fn all(backends: &[Backend], failure: &Failure) -> Vec<BackendVerdict> {
    backends
        .iter()
        .map(|&backend| not_passed(backend, failure))
        .collect()
}

//! What is ported, taken to one backend and judged there. Carries out the porter's actions.

use std::path::PathBuf;

use portwright_core::{
    Backend, Digest, Finding, Signature, Stage, Verdict,
    job::{Job, JobReport},
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
    DriverError,
    analyse::failed,
    artefact::Built,
    ground::{Failure, Ground, Reached},
    launch::Launch,
    made::Made,
};

/// What is taken to a backend: a model's forward, or the steps of its generation.
pub trait Ported {
    /// The main files of an artefact: one, or one for each kind of step.
    type Main;

    fn launch(&self) -> &Launch<'_>;

    /// What the verdict names as the plan.
    fn digest(&self) -> Result<Digest, DriverError>;

    /// Whether axes stay free on the way to a backend; one that runs the module itself takes every size that the model takes.
    fn is_dynamic(&self, backend: Backend) -> bool;

    /// How the runtime is set up where its own choice is not wanted.
    fn tuning(&self) -> Tuning;

    /// What it is judged on.
    async fn ground(&self, dynamic: bool) -> Reached<Ground>;

    /// Makes the artefact that a backend reads.
    async fn make(&mut self, backend: Backend, ground: &Ground) -> Reached<Made<Self::Main>>;

    /// What the evidence names where a backend runs the module itself: the folder of the code, and what is in it.
    fn module(&self, backend: Backend) -> Reached<(PathBuf, Built)>;

    /// The job that runs an artefact, or the module.
    fn job(&self, backend: Backend, ground: &Ground, artefact: Option<&Self::Main>) -> Job;
}

/// Takes it to a backend, and answers with the judge's verdict.
pub async fn port<P: Ported>(
    ported: &mut P,
    backend: Backend,
) -> Result<BackendVerdict, DriverError> {
    let places = ported.launch().steps.session.places();
    if let Err(absent) = backends::of(backend).probe(backend, places) {
        return Ok(unavailable(backend, absent.to_string(), absent.hint));
    }
    let dynamic = ported.is_dynamic(backend);
    let ground = match ported.ground(dynamic).await? {
        Ok(ground) => ground,
        Err(failure) => return Ok(not_passed(backend, &failure)),
    };
    let mut port = Port {
        ported,
        backend,
        dynamic,
        ground,
        made: None,
        work: PathBuf::new(),
    };
    let mut porter = Porter::new(backend);
    let mut action = porter.step(Observation::Begin);
    loop {
        let observation = match action {
            Action::Build { .. } => port.build().await?,
            Action::Execute { .. } => port.execute().await?,
            Action::Judge { report, .. } => port.judge(&report)?,
            Action::Finish(verdict) => return Ok(*verdict),
            // The porter asks for nothing else; told what it did not ask for, it ends with a finding.
            _ => Observation::Rendered { files: 0 },
        };
        action = porter.step(observation);
    }
}

/// What one backend's porter has so far.
struct Port<'a, P: Ported> {
    ported: &'a mut P,
    backend: Backend,
    dynamic: bool,
    ground: Ground,
    /// The artefact, where the backend reads one.
    made: Option<Made<P::Main>>,
    /// The work folder of the job that executed.
    work: PathBuf,
}

impl<P: Ported> Port<'_, P> {
    async fn build(&mut self) -> Result<Observation, DriverError> {
        Ok(match self.ported.make(self.backend, &self.ground).await? {
            Ok(made) => {
                self.made = Some(made);
                Observation::Built
            }
            Err(failure) => failed(on(self.backend, failure)),
        })
    }

    async fn execute(&mut self) -> Result<Observation, DriverError> {
        let (launch, backend) = (self.ported.launch(), self.backend);
        let artefact = self.made.as_ref().map(|made| &made.main);
        let job = self.ported.job(backend, &self.ground, artefact);
        let tuning = self.ported.tuning();
        // The job names the files of this run that it is given, whose folders are those of one phase.
        let key = json!([self.ported.digest()?, job]);
        let step = launch
            .steps
            .step(&job.step(), &key, async |folder| {
                // Never the folder of the reference, nor for the steps of a chain that of the whole inputs.
                let mut readable = vec![self.ground.input_folder.clone()];
                readable.extend(launch.request.checkpoint_weights.iter().cloned());
                launch
                    .execute(backend, job.clone(), folder, readable, tuning)
                    .await
            })
            .await?;
        self.work = step.folder.join("job");
        Ok(Observation::Executed {
            report: Box::new(step.value),
        })
    }

    fn judge(&self, report: &JobReport) -> Result<Observation, DriverError> {
        let launch = self.ported.launch();
        let module;
        let (folder, built, specialised) = match &self.made {
            Some(made) => (&made.folder, &made.built, made.specialised.as_slice()),
            None => {
                module = match self.ported.module(self.backend)? {
                    Ok(module) => module,
                    Err(failure) => return Ok(failed(failure)),
                };
                (&module.0, &module.1, &[][..])
            }
        };
        let mut verdict = judge::judge(&Case {
            backend: self.backend,
            expected: Expected::of(self.backend),
            tolerances: &launch.steps.session.tolerances,
            reference: &self.ground.reference,
            report,
            work: &self.work,
            artefact: &built.digest,
            artefact_bytes: built.bytes,
            plan: &self.ported.digest()?,
            dynamic: self.dynamic,
            artefact_has_sizes: self.made.is_some(),
            made: &branches::specialised(specialised, &self.ground.branches),
        });
        // It may quote the names and types in the files of a job.
        verdict.finding = verdict.finding.map(Finding::bounded);
        launch.keep_artefact(verdict.verdict, folder, built)?;
        Ok(Observation::Judged {
            verdict: Box::new(verdict),
        })
    }
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

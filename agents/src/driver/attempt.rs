//! One attempt: a plan taken to every requested backend and judged. Carries out the porter's actions.

use std::path::{Path, PathBuf};

use portwright_core::{
    Backend, Digest, Finding, PortPlan, Signature, Stage, Verdict,
    event::Event,
    job::{Artefact, Job, JobReport},
    verdict::BackendVerdict,
};
use portwright_sandbox::{
    backends,
    judge::{self, Case},
};
use serde_json::json;

use crate::{
    porter::Porter,
    protocol::{Action, Agent as _, Observation},
};

use super::{
    DriverError, Request,
    analyse::{answer, failed, generate},
    ground::{Failure, Ground, Phase, job_in, path_text, prepare},
    runtime::run_backend,
    steps::{Steps, subfolder},
};

/// Timed repetitions on the first input set.
const REPEATS: u32 = 20;
/// Loads over which the memory slope is fitted.
const RELOADS: u32 = 5;

/// An attempt's verdicts, in the order of the requested backends, and the skillset's folder where there is one.
pub struct Attempt {
    pub verdicts: Vec<BackendVerdict>,
    pub skillset: Option<PathBuf>,
}

impl Attempt {
    pub fn passes(&self) -> usize {
        self.verdicts.iter().filter(|v| v.verdict == Verdict::Pass).count()
    }
}

/// Builds, runs and judges `plan` on every requested backend.
pub async fn attempt(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backends: &[Backend],
    phase: Phase,
) -> Result<Attempt, DriverError> {
    let skillset = match generate(steps, request, plan, phase).await? {
        Ok(folder) => folder,
        Err(failure) => return Ok(Attempt { verdicts: all(backends, &failure), skillset: None }),
    };
    let mut verdicts = Vec::with_capacity(backends.len());
    let mut artefacts = Artefacts::default();
    for &backend in backends {
        let verdict = port(steps, request, plan, backend, phase, &skillset, &mut artefacts).await?;
        let fresh = phase == Phase::Fresh;
        steps.session.ledger.record_verdict(&steps.run, &verdict, fresh)?;
        steps.event(Event::VerdictReached { verdict: Box::new(verdict.clone()), fresh })?;
        verdicts.push(verdict);
    }
    Ok(Attempt { verdicts, skillset: Some(skillset) })
}

/// Where the artefacts of this attempt lie, for backends that convert another backend's artefact.
#[derive(Default)]
struct Artefacts {
    onnx: Option<PathBuf>,
}

/// Drives the porter of one backend.
async fn port(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backend: Backend,
    phase: Phase,
    skillset: &Path,
    artefacts: &mut Artefacts,
) -> Result<BackendVerdict, DriverError> {
    // A backend that runs the module itself takes every size the model takes.
    let dynamic = plan.export.get(&backend).is_none_or(|export| export.dynamic);
    let checkpoint = request.checkpoint.as_deref();
    let ground = match prepare(steps, request, plan, phase, dynamic, checkpoint).await? {
        Ok(ground) => ground,
        Err(failure) => return Ok(not_passed(backend, &failure)),
    };
    let mut porter = Porter::new(backend, plan);
    let mut place = Place { skillset: skillset.to_owned(), work: PathBuf::new(), build: None };
    let mut action = porter.step(Observation::Begin);
    loop {
        let observation = match action {
            Action::Build { backend } => build(steps, request, plan, backend, phase, &ground, &mut place, artefacts).await?,
            Action::Execute { backend, artefact } => {
                execute(steps, request, plan, backend, phase, &ground, &mut place, artefact.as_deref()).await?
            }
            Action::Judge { backend, report } => {
                let verdict = judged(steps, plan, backend, dynamic, &ground, &place, &report)?;
                Observation::Judged { verdict: Box::new(verdict) }
            }
            Action::Finish(verdict) => return Ok(*verdict),
            // The porter asks for nothing else; told what it did not ask for, it ends with a finding.
            _ => Observation::Sound,
        };
        action = porter.step(observation);
    }
}

/// Where an attempt's files lie.
struct Place {
    skillset: PathBuf,
    /// The work folder of the job that executed.
    work: PathBuf,
    /// The work folder of the job that built, and what it built.
    build: Option<(PathBuf, Artefact)>,
}

#[expect(clippy::too_many_arguments, reason = "each is a part of what makes the artefact, and is in the key")]
async fn build(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backend: Backend,
    phase: Phase,
    ground: &Ground,
    place: &mut Place,
    artefacts: &mut Artefacts,
) -> Result<Observation, DriverError> {
    let key = json!([phase, backend, plan, ground.checkpoint, artefacts.onnx]);
    let step = steps
        .step(&format!("build {backend}"), &key, async |folder| {
            let job = Job::Build {
                skillset: path_text(&place.skillset),
                backend,
                checkpoint: path_text(&ground.checkpoint),
                onnx: artefacts.onnx.as_deref().map(path_text),
            };
            let mut readable = vec![place.skillset.clone(), ground.checkpoint.clone()];
            readable.extend(artefacts.onnx.as_deref().and_then(Path::parent).map(Path::to_owned));
            job_in(steps, request, job, folder, readable).await
        })
        .await?;
    if let Some(failure) = Failure::of_report(Stage::Export, &step.value) {
        return Ok(failed(on(backend, failure)));
    }
    let artefact: Artefact = match answer(&step.value) {
        Ok(artefact) => artefact,
        Err(error) => return Ok(failed(malformed(backend, &error.to_string()))),
    };
    if backend == Backend::Onnxruntime {
        artefacts.onnx = Some(step.folder.join(&artefact.main));
    }
    place.build = Some((step.folder, artefact.clone()));
    Ok(Observation::Built { artefact: Box::new(artefact) })
}

#[expect(clippy::too_many_arguments, reason = "each is a part of what is executed, and is in the key")]
async fn execute(
    steps: &Steps<'_>,
    request: &Request,
    plan: &PortPlan,
    backend: Backend,
    phase: Phase,
    ground: &Ground,
    place: &mut Place,
    artefact: Option<&Artefact>,
) -> Result<Observation, DriverError> {
    let key = json!([phase, backend, plan, ground.checkpoint, ground.input_folder, artefact]);
    let session = steps.session;
    let step = steps
        .step(&format!("run {backend}"), &key, async |folder| {
            let work = subfolder(folder, "job")?;
            let artefact = place.build.as_ref().map(|(folder, artefact)| folder.join(&artefact.main));
            let job = Job::Execute {
                backend,
                skillset: artefact.is_none().then(|| path_text(&place.skillset)),
                artefact: artefact.as_deref().map(path_text),
                checkpoint: path_text(&ground.checkpoint),
                inputs: ground.inputs.iter().map(|file| path_text(file)).collect(),
                repeats: REPEATS,
                reloads: RELOADS,
            };
            // The artefact's folder: its weights may lie in files beside it.
            let beside = artefact.as_deref().and_then(Path::parent).unwrap_or(&place.skillset).to_owned();
            let readable = vec![beside, ground.checkpoint.clone(), ground.input_folder.clone()];
            let tuning = plan.export.get(&backend).and_then(|export| export.runtime_optimization.clone());
            run_backend(session, backend, job, work, readable, tuning).await
        })
        .await?;
    place.work = step.folder.join("job");
    Ok(Observation::Executed { report: Box::new(step.value) })
}

fn judged(
    steps: &Steps<'_>,
    plan: &PortPlan,
    backend: Backend,
    dynamic: bool,
    ground: &Ground,
    place: &Place,
    report: &JobReport,
) -> Result<BackendVerdict, DriverError> {
    let (artefact, artefact_bytes) = match &place.build {
        Some((folder, artefact)) => digest_files(folder, &artefact.files)?,
        None => digest_files(&place.skillset, &["skillset.py".to_owned()])?,
    };
    Ok(judge::judge(&Case {
        backend,
        expected: backends::of(backend).expected(),
        tolerances: &steps.session.tolerances,
        sets: &ground.sets,
        reference: &ground.reference,
        report,
        work: &place.work,
        artefact: &artefact,
        artefact_bytes,
        plan: &plan.digest()?,
        dynamic,
    }))
}

/// The digest of one file, or of the list of the digests of several; and their bytes.
fn digest_files(folder: &Path, files: &[String]) -> Result<(Digest, u64), DriverError> {
    let mut digests = Vec::with_capacity(files.len());
    let mut bytes = 0;
    for file in files {
        let path = folder.join(file);
        let content = std::fs::read(&path).map_err(|source| DriverError::folder(&path, source))?;
        bytes += content.len() as u64;
        digests.push(Digest::of(&content));
    }
    match digests.as_slice() {
        [one] => Ok((one.clone(), bytes)),
        many => Ok((Digest::of_json(&many)?, bytes)),
    }
}

fn malformed(backend: Backend, why: &str) -> Failure {
    Failure::fail(Box::new(Finding {
        stage: Stage::Export,
        backend: Some(backend),
        signature: Signature::phrase("the build's answer is malformed"),
        message: format!("the build answered with no artefact: {why}"),
        error: None,
        hint: None,
    }))
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

pub fn all(backends: &[Backend], failure: &Failure) -> Vec<BackendVerdict> {
    backends.iter().map(|&backend| not_passed(backend, failure)).collect()
}

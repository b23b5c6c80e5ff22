//! One attempt: a plan taken to every requested backend and judged. Carries out the porter's actions.

use std::path::{Path, PathBuf};

use portwright_core::{
    Backend, Digest, Finding, PortPlan, Signature, Stage, Verdict,
    job::{Artefact, Job, JobReport},
    plan::Strategy,
    text,
    verdict::BackendVerdict,
};
use portwright_ledger::LedgerError;
use portwright_sandbox::{
    backends::{self, Host, onnxruntime::Tuning},
    judge::{self, Case},
    pool::JobRequest,
    tensor,
};
use serde_json::json;

use crate::{
    porter::Porter,
    protocol::{Action, Agent as _, Observation},
};

use super::{
    DriverError, Request,
    analyse::{answer, code, failed, generate},
    ground::{Failure, Ground, Phase, job_in, path_text, prepare},
    space::had_space,
    steps::{Steps, subfolder},
};

/// The most files of an artefact: its weights may lie in a file for each tensor.
const MOST_FILES: usize = 10_000;

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
        onnx: None,
    };
    let mut verdicts = Vec::with_capacity(backends.len());
    for &backend in backends {
        let key = json!([
            phase,
            backend,
            code,
            plan,
            request.target.source_digest,
            request.checkpoint_digest
        ]);
        let verdict = match without_file(plan, backend, &verdicts) {
            Some(verdict) => verdict,
            None => {
                steps
                    .remembered(&format!("judge {backend}"), &key, lasting, async || {
                        attempt.port(backend).await
                    })
                    .await?
            }
        };
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
        onnx: None,
    };
    let Ok(mut port) = attempt.begun(backend).await? else {
        return Ok(None);
    };
    attempt.build(&mut port).await?;
    Ok(port
        .build
        .map(|(folder, artefact, _)| (port.ground, folder.join(artefact.main))))
}

/// The verdict on a backend that reads an ONNX file which this attempt could not make: making it once more would end
/// the same way, and is the dearest step there is.
fn without_file(
    plan: &PortPlan,
    backend: Backend,
    verdicts: &[BackendVerdict],
) -> Option<BackendVerdict> {
    let export = plan.export.get(&backend)?;
    let onnx = verdicts
        .iter()
        .find(|verdict| verdict.backend == Backend::Onnxruntime)?;
    let finding = onnx
        .finding
        .as_ref()
        .filter(|finding| finding.stage == Stage::Export)?;
    (export.strategy == Strategy::FromOnnx).then(|| {
        let failure = Failure {
            verdict: onnx.verdict,
            finding: Box::new(finding.clone()),
        };
        not_passed(backend, &failure)
    })
}

/// Whether a verdict stays true: a limit of time may have been met because the machine was busy, and an absent backend
/// may come.
pub fn lasting(verdict: &BackendVerdict) -> bool {
    !matches!(verdict.verdict, Verdict::TimedOut | Verdict::Unavailable)
}

/// One plan on its way to every backend.
struct Attempt<'a> {
    steps: &'a Steps<'a>,
    request: &'a Request,
    plan: &'a PortPlan,
    phase: Phase,
    /// The rendered skillset's folder.
    skillset: PathBuf,
    /// The ONNX file that this attempt has made, for backends that convert it.
    onnx: Option<PathBuf>,
}

/// An artefact in the ledger's store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The digest of its one file, or of the manifest of several.
    pub digest: Digest,
    pub bytes: u64,
}

/// What one backend's porter has so far.
struct Port {
    backend: Backend,
    /// Whether axes stay free; a backend that runs the module itself takes every size that the model takes.
    dynamic: bool,
    ground: Ground,
    /// The work folder of the job that built, and what it built.
    build: Option<(PathBuf, Artefact, Stored)>,
    /// The work folder of the job that executed.
    work: PathBuf,
}

impl Attempt<'_> {
    /// Drives the porter of one backend.
    async fn port(&mut self, backend: Backend) -> Result<BackendVerdict, DriverError> {
        if let Err(absent) = backends::of(backend).probe(&self.steps.session.environment) {
            return Ok(unavailable(backend, absent.to_string(), absent.hint));
        }
        let mut port = match self.begun(backend).await? {
            Ok(port) => port,
            Err(failure) => return Ok(not_passed(backend, &failure)),
        };
        let mut porter = Porter::new(backend, self.plan);
        let mut action = porter.step(Observation::Begin);
        loop {
            let observation = match action {
                Action::Build { .. } => self.build(&mut port).await?,
                Action::Execute { .. } => self.execute(&mut port).await?,
                Action::Judge { report, .. } => Observation::Judged {
                    verdict: Box::new(self.judge(&port, &report)?),
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
        let export = self.plan.export.get(&backend);
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
            build: None,
            work: PathBuf::new(),
        }))
    }

    async fn build(&mut self, port: &mut Port) -> Result<Observation, DriverError> {
        let backend = port.backend;
        let converts = self
            .plan
            .export
            .get(&backend)
            .is_some_and(|export| export.strategy == Strategy::FromOnnx);
        let onnx = self.onnx.as_deref().filter(|_| converts).map(path_text);
        let key = json!([self.phase, backend, self.plan, port.ground.checkpoint, onnx]);
        let step = self
            .steps
            .step(&format!("build {backend}"), &key, async |folder| {
                let job = Job::Build {
                    skillset: path_text(&self.skillset),
                    backend,
                    checkpoint: path_text(&port.ground.checkpoint),
                    onnx,
                };
                job_in(self.steps, self.request, job, folder, Vec::new()).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Export, &step.value) {
            return Ok(failed(on(backend, failure)));
        }
        let artefact: Artefact = match answer(&step.value) {
            Ok(artefact) => artefact,
            Err(error) => return Ok(failed(malformed(backend, &error.to_string()))),
        };
        let mut names = artefact.files.clone();
        names.push(artefact.main.clone());
        let stored = match store(self.steps, &step.folder, &names) {
            Ok(stored) => stored,
            // The names and files are the job's own: what is wrong with them is its failure, and never followed.
            Err(LedgerError::NotPlain { path, why }) => {
                return Ok(failed(malformed(
                    backend,
                    &format!("{}: {why}", path.display()),
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if backend == Backend::Onnxruntime {
            self.onnx = Some(step.folder.join(&artefact.main));
        }
        port.build = Some((step.folder, artefact.clone(), stored));
        Ok(Observation::Built {
            artefact: Box::new(artefact),
        })
    }

    async fn execute(&self, port: &mut Port) -> Result<Observation, DriverError> {
        let backend = port.backend;
        let session = self.steps.session;
        let artefact = port
            .build
            .as_ref()
            .map(|(folder, artefact, _)| folder.join(&artefact.main));
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
                let host = Host {
                    environment: &session.environment,
                    launcher: &session.launcher,
                    walls: session.walls,
                    workers: &session.workers,
                };
                let work = subfolder(folder, "job")?;
                let attempt = backends::Attempt {
                    request: JobRequest {
                        job,
                        work,
                        readable,
                        limits: session.limits,
                    },
                    tuning: Tuning::of(self.plan, session.threads),
                };
                let report = backends::of(backend).execute(&host, &attempt).await?;
                self.steps.spent(&attempt.request.job, &report);
                had_space(&report, &attempt.request.work, session.ledger.folder())?;
                Ok(report)
            })
            .await?;
        port.work = step.folder.join("job");
        Ok(Observation::Executed {
            report: Box::new(step.value),
        })
    }

    fn judge(&self, port: &Port, report: &JobReport) -> Result<BackendVerdict, DriverError> {
        let stored = match &port.build {
            Some((_, _, stored)) => stored.clone(),
            None => store(
                self.steps,
                &self.skillset,
                &["skillset.py", "weights.py", "whole.py"].map(str::to_owned),
            )?,
        };
        let mut verdict = judge::judge(&Case {
            backend: port.backend,
            expected: backends::of(port.backend).expected(),
            tolerances: &self.steps.session.tolerances,
            reference: &port.ground.reference,
            report,
            work: &port.work,
            artefact: &stored.digest,
            artefact_bytes: stored.bytes,
            plan: &self.plan.digest()?,
            dynamic: port.dynamic,
            artefact_has_sizes: port.build.is_some(),
        });
        // It may quote the names and types in the files of a job.
        verdict.finding = verdict.finding.map(Finding::bounded);
        Ok(verdict)
    }
}

fn texts(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| path_text(file)).collect()
}

/// Puts files into the ledger's store, so that what a verdict names can be looked at again. A job that has ended names
/// them and made them, so what is no name, or cannot be opened as a plain file, is its failure and none of the store's.
pub fn store(steps: &Steps<'_>, folder: &Path, names: &[String]) -> Result<Stored, LedgerError> {
    if names.len() > MOST_FILES {
        let why = "it has more files than any artefact";
        return Err(not_plain(folder, why));
    }
    for name in names {
        if !text::is_name(name) || name.len() > text::LONGEST_NAME {
            let shown = text::cut(&text::line(name), 60);
            return Err(not_plain(Path::new(&shown), "it is no name of a file"));
        }
        tensor::open_plain(folder, Path::new(name), u64::MAX)
            .map_err(|error| not_plain(Path::new(name), error.phrase()))?;
    }
    let store = steps.session.ledger.store();
    let manifest = store.put_files(folder, names)?;
    let files = store.manifest(&manifest)?.files;
    Ok(Stored {
        bytes: files.iter().map(|file| file.bytes).sum(),
        digest: match files.as_slice() {
            [one] => one.digest.clone(),
            _ => manifest,
        },
    })
}

fn not_plain(path: &Path, why: &'static str) -> LedgerError {
    LedgerError::NotPlain {
        path: path.to_owned(),
        why,
    }
}

pub fn malformed(backend: Backend, why: &str) -> Failure {
    Failure::fail(Box::new(Finding {
        stage: Stage::Export,
        backend: Some(backend),
        signature: Signature::phrase("the build's answer is malformed"),
        message: format!("the build answered with no artefact: {why}"),
        error: None,
        hint: None,
    }))
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

#[cfg(test)]
mod tests {
    use portwright_knowledge::propose::{ProposeOptions, propose};

    use super::*;
    use crate::testing;

    #[test]
    fn a_file_that_could_not_be_made_is_not_made_again_to_be_read() {
        let plan = propose(&testing::card(), &ProposeOptions::default()).unwrap();
        let failed = |stage| BackendVerdict {
            backend: Backend::Onnxruntime,
            verdict: Verdict::TimedOut,
            evidence: None,
            finding: Some(*testing::finding(stage, Some(Backend::Onnxruntime), "slow")),
        };
        let verdict = without_file(&plan, Backend::Openvino, &[failed(Stage::Export)]).unwrap();
        assert_eq!(verdict.backend, Backend::Openvino);
        assert_eq!(verdict.verdict, Verdict::TimedOut);
        assert_eq!(verdict.finding.unwrap().backend, Some(Backend::Openvino));
        // A file that was made may read well elsewhere.
        assert!(without_file(&plan, Backend::Openvino, &[failed(Stage::Execute)]).is_none());
        assert!(without_file(&plan, Backend::TorchCpu, &[failed(Stage::Export)]).is_none());
    }
}

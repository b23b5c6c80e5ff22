//! Carries out the analyst's and the generator's actions.

use std::{fs, path::PathBuf};

use portwright_core::{
    Backend, Finding, PortPlan, Signature, Stage, Verdict,
    job::{Introspection, Job, JobOutcome, JobReport, ModelSource},
};
use portwright_knowledge::{card, guard::PatchRefused, propose::components, tracing::Sources};
use portwright_tools::render::{self, RenderError};
use serde::{Deserialize, Serialize};

use crate::{
    analyst::{Analysis, Analyst},
    generator::Generator,
    protocol::{Action, Agent as _, Observation},
};

use super::{
    DriverError,
    consult::Consultant,
    ground::{Failure, Phase, Reached},
    launch::Launch,
    steps::Finished,
};

impl Launch<'_> {
    /// Drives the analyst until it has a sound plan or gives up.
    pub async fn analyse(&self, consultant: &Consultant<'_>) -> Reached<Analysis> {
        // A plan that a person gave may be asked for on a backend that it does not name.
        let given = self.request.plan.clone().map(|mut plan| {
            let backends = &self.request.backends;
            let new = backends.iter().filter(|it| !plan.backends.contains(it));
            let new: Vec<Backend> = new.copied().collect();
            plan.add_backends(&new);
            plan.rewrite_for(&new);
            plan
        });
        let is_given = given.is_some();
        let mut analyst = Analyst::new(
            self.request.propose.clone(),
            given,
            self.request.analyst_budget,
            consultant.advisor(),
        );
        if self.request.search_from_plan {
            analyst = analyst.searching_on();
        }
        let mut first = true;
        let before = self.steps.costs();
        let mut action = analyst.step(Observation::Begin);
        loop {
            let observation = match action {
                Action::Introspect => self.introspect().await?,
                Action::ReadSource { introspection } => self.read_source(&introspection),
                Action::Probe { plan } => {
                    let is_first = std::mem::replace(&mut first, false);
                    if !is_first {
                        self.steps.proposed();
                    }
                    match self.probe(&plan).await? {
                        Probed::Sound {
                            exercised,
                            mixes_rows,
                        } => Observation::Sound {
                            exercised,
                            mixes_rows,
                        },
                        Probed::Failed(failure) => {
                            if is_first {
                                self.steps.met(&plan, &failure.finding);
                            }
                            self.steps.decided(
                                Analyst::NAME,
                                format!(
                                    "a plan fails at {}: {}",
                                    failure.finding.stage, failure.finding.message
                                ),
                            )?;
                            if self
                                .steps
                                .costs()
                                .exceed(&before, self.request.analysis_seconds)
                            {
                                analyst.stop_searching(
                                    "the time for an analysis is spent (`run.analysis_seconds`)",
                                );
                            }
                            failed(failure)
                        }
                    }
                }
                Action::Consult { question } => {
                    consultant.consult(Analyst::NAME, &question).await?
                }
                Action::Look { lookup } => consultant.look(&lookup),
                Action::Reproduce { reproduction } => {
                    self.reproduce(Analyst::NAME, &reproduction).await?
                }
                Action::Finish(Ok(mut analysis)) => {
                    if !is_given {
                        analysis.plan.rewrite_for(&self.request.backends);
                    }
                    return Ok(Ok(analysis));
                }
                Action::Finish(Err(finding)) => return Ok(Err(Failure::fail(finding))),
                // The analyst asks for nothing else; told what it did not ask for, it ends with a finding.
                _ => Observation::Rendered { files: 0 },
            };
            action = analyst.step(observation);
        }
    }
}

/// What a probe of a plan showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "kebab-case")]
pub enum Probed {
    Sound {
        exercised: Vec<String>,
        mixes_rows: bool,
    },
    Failed(Failure),
}

impl Launch<'_> {
    /// Instantiates a plan and has the judge look at its reference. What a plan exports to is no part of the question.
    pub async fn probe(&self, plan: &PortPlan) -> Result<Probed, DriverError> {
        let mut asked = plan.clone();
        asked.export.clear();
        asked.adaptations.clear();
        let inputs = (
            &self.request.target.source_digest,
            &self.request.target.source,
            asked,
        );
        // A limit of time may have been met because the machine was busy: that is asked again.
        let lasting = |probed: &Probed| !matches!(probed, Probed::Failed(f) if f.verdict == Verdict::TimedOut);
        self.steps
            .remembered("probe", &inputs, lasting, async || {
                let ground = self.prepare(plan, Phase::Search, true, None).await?;
                Ok(match ground {
                    Ok(ground) => Probed::Sound {
                        exercised: ground.exercised,
                        mixes_rows: ground.mixes_rows,
                    },
                    Err(failure) => Probed::Failed(failure),
                })
            })
            .await
    }

    async fn introspect(&self) -> Result<Observation, DriverError> {
        let target = &self.request.target;
        let inputs = (&target.model_type, &target.source, &target.source_digest);
        let answered = |report: &JobReport| matches!(report.outcome, JobOutcome::Done { .. });
        let report = self
            .steps
            .remembered("introspect", &inputs, answered, async || {
                let job = Job::Introspect {
                    model_type: target.model_type.clone(),
                    source: target.source.clone(),
                };
                self.job_in(job, &self.steps.scratch("introspect")?, Vec::new())
                    .await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Analyse, &report) {
            return Ok(failed(failure));
        }
        Ok(match answer::<Introspection>(&report) {
            Ok(introspection) => Observation::Introspected {
                introspection: Box::new(introspection),
            },
            Err(error) => failed(Failure::fail(analyse_finding(
                "introspection is malformed",
                error.to_string(),
                None,
            ))),
        })
    }

    fn read_source(&self, introspection: &Introspection) -> Observation {
        let library = self
            .steps
            .session
            .environment
            .site_packages
            .join("transformers");
        let folder = match &self.request.target.source {
            ModelSource::Library => None,
            ModelSource::Folder { path } => Some(PathBuf::from(path)),
        };
        let sources = Sources::new(library, folder);
        match card::assemble(introspection, &sources) {
            Ok(card) => {
                self.steps
                    .composed_of(components(&card, &self.request.propose));
                Observation::SourceRead {
                    card: Box::new(card),
                }
            }
            Err(error) => {
                let hint = error.hint().to_owned();
                failed(Failure::fail(analyse_finding(
                    "the source cannot be read",
                    error.to_string(),
                    Some(hint),
                )))
            }
        }
    }

    /// Drives the generator: renders the skillset of a plan into a folder of its own and answers with that folder.
    pub async fn generate(&self, plan: &PortPlan, phase: Phase) -> Reached<PathBuf> {
        let mut generator = Generator::new(plan.clone());
        let mut folder = None;
        let mut action = generator.step(Observation::Begin);
        loop {
            let observation = match action {
                Action::Render { plan } => match self.render_into(&plan, phase).await {
                    Ok(step) => {
                        folder = Some(step.folder.join(plan.model_type.slug()));
                        Observation::Rendered { files: step.value }
                    }
                    // Code that a guard refuses is the plan's fault, and never runs.
                    Err(DriverError::Render(RenderError::Patch(refused))) => {
                        failed(Failure::fail(refusal(&refused)))
                    }
                    // The names and values of a plan were found in a model, which can hold any: what cannot stand in source
                    // is the plan's fault too. A template that fails is ours.
                    Err(DriverError::Render(error)) if !error.is_defect() => {
                        failed(Failure::fail(unrenderable(&error)))
                    }
                    Err(error) => return Err(error),
                },
                Action::Finish(Ok(_)) => {
                    return Ok(folder.ok_or_else(|| {
                        Failure::fail(analyse_finding(
                            "nothing was rendered",
                            "the generator finished without rendering".to_owned(),
                            None,
                        ))
                    }));
                }
                Action::Finish(Err(finding)) => return Ok(Err(Failure::fail(finding))),
                // As above.
                _ => Observation::Sound {
                    exercised: Vec::new(),
                    mixes_rows: false,
                },
            };
            action = generator.step(observation);
        }
    }

    async fn render_into(
        &self,
        plan: &PortPlan,
        phase: Phase,
    ) -> Result<Finished<usize>, DriverError> {
        let key = (phase, plan);
        self.steps
            .step("generate", &key, async |folder| {
                let files = self.code(plan)?;
                let root = folder.join(plan.model_type.slug());
                for (name, text) in &files {
                    let path = root.join(name);
                    if let Some(parent) = path.parent() {
                        fs::create_dir_all(parent)
                            .map_err(|source| DriverError::folder(parent, source))?;
                    }
                    fs::write(&path, text).map_err(|source| DriverError::folder(&path, source))?;
                }
                Ok(files.len())
            })
            .await
    }

    /// The code of a plan's skillset.
    pub fn code(&self, plan: &PortPlan) -> Result<render::Files, RenderError> {
        let library = self
            .steps
            .session
            .environment
            .site_packages
            .join("transformers");
        render::render_code(plan, self.request.target.modelling.as_ref(), &library)
    }
}

/// The finding of a torch patch that a guard refused.
fn refusal(refused: &PatchRefused) -> Box<Finding> {
    let guard = refused.refusal.guard();
    Box::new(Finding {
        stage: Stage::Generate,
        backend: None,
        signature: Signature::phrase(format!("the patch is refused: {guard}")),
        message: refused.to_string(),
        error: None,
        hint: Some(refused.refusal.hint().to_owned()),
    })
}

/// The finding of a plan that cannot be written as source.
fn unrenderable(error: &RenderError) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Generate,
        backend: None,
        signature: Signature::phrase("the plan cannot be rendered"),
        message: error.to_string(),
        error: None,
        hint: Some(error.hint().to_owned()),
    })
}

/// The typed answer of a job.
pub fn answer<T: serde::de::DeserializeOwned>(report: &JobReport) -> Result<T, serde_json::Error> {
    match &report.outcome {
        JobOutcome::Done { result } => serde_json::from_value(result.clone()),
        _ => serde_json::from_value(serde_json::Value::Null),
    }
}

pub fn failed(failure: Failure) -> Observation {
    Observation::Failed {
        verdict: failure.verdict,
        finding: failure.finding,
    }
}

fn analyse_finding(phrase: &str, message: String, hint: Option<String>) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Analyse,
        backend: None,
        signature: Signature::phrase(phrase),
        message,
        error: None,
        hint,
    })
}

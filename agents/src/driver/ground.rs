//! The ground that a plan is judged on: a checkpoint, the judge's input sets, and the eager reference on them.

use std::path::{Path, PathBuf};

use portwright_core::{
    Finding, PortPlan, Signature, Stage, Verdict,
    job::{Job, JobOutcome, JobReport},
    text,
};
use portwright_sandbox::{
    judge::{
        InputError, InputSet, Ran, Reference,
        branches::{self, Branches},
        corners::{self, Further},
        inputs, limits, plain,
    },
    pool::JobRequest,
};
use rand::Rng as _;
use serde_json::json;

use super::{DriverError, analyse::answer, launch::Launch, space::had_space, steps::subfolder};

/// Which of the two times a plan is built and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// While plans are searched and repaired.
    Search,
    /// Once more from nothing, on seeds that no earlier step used.
    Fresh,
}

/// What a plan is judged on.
pub struct Ground {
    pub checkpoint: PathBuf,
    pub input_folder: PathBuf,
    /// The files of the sets that every backend must answer, and of the corners.
    pub inputs: Vec<PathBuf>,
    pub corners: Vec<PathBuf>,
    pub reference: Reference,
    /// Which branches of the modelling code the sets took.
    pub branches: Branches,
    /// Model types whose modules the reference executed.
    pub exercised: Vec<String>,
    /// Whether a row of a batch does not give alone what it gives among the others.
    pub mixes_rows: bool,
}

/// Why a plan did not come so far.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    pub verdict: Verdict,
    pub finding: Box<Finding>,
}

impl Failure {
    pub fn fail(mut finding: Box<Finding>) -> Self {
        // It may quote what a job, a file or a model's source says.
        *finding = finding.bounded();
        Self {
            verdict: Verdict::Fail,
            finding,
        }
    }

    /// The failure of a job that did not answer.
    pub fn of_report(stage: Stage, report: &JobReport) -> Option<Self> {
        let stage = match &report.outcome {
            JobOutcome::Failed { error } => stage_of(&error.doing).unwrap_or(stage),
            _ => stage,
        };
        let finding = Finding::of_outcome(stage, None, &report.outcome)?;
        let verdict = Verdict::of_outcome(&report.outcome)?;
        Some(Self {
            verdict,
            finding: Box::new(finding.bounded()),
        })
    }
}

/// What was asked for, or why the plan did not come so far.
pub type Reached<T> = Result<Result<T, Failure>, DriverError>;

/// The stage that a worker's own word for what it was doing stands for; the words are in the worker's jobs.
fn stage_of(doing: &str) -> Option<Stage> {
    match doing {
        "import configuration" | "import classes" | "describe" => Some(Stage::Analyse),
        "import skillset" => Some(Stage::Generate),
        "configure" | "instantiate" | "draw" | "save" => Some(Stage::Instantiate),
        "forward" => Some(Stage::Forward),
        "export" | "check artefact" => Some(Stage::Export),
        "load" | "reload" => Some(Stage::Load),
        "execute" | "time" | "unload" | "write outputs" => Some(Stage::Execute),
        "test" | "read report" => Some(Stage::Test),
        _ => None,
    }
}

impl Launch<'_> {
    /// Instantiates the plan, draws the judge's inputs, and computes the reference on them.
    pub async fn prepare(
        &self,
        plan: &PortPlan,
        phase: Phase,
        dynamic: bool,
        checkpoint: Option<&Path>,
    ) -> Reached<Ground> {
        let checkpoint = match checkpoint {
            Some(folder) => folder.to_owned(),
            None => match self.materialise(plan, phase).await? {
                Ok(folder) => folder,
                Err(failure) => return Ok(Err(failure)),
            },
        };
        self.reference(plan, phase, dynamic, checkpoint).await
    }

    pub async fn materialise(&self, plan: &PortPlan, phase: Phase) -> Reached<PathBuf> {
        // Only what makes the weights is part of the key: a plan that exports in another way has the same checkpoint.
        let inputs = json!([
            phase,
            plan.class,
            plan.module,
            plan.config_class,
            plan.config,
            plan.weights
        ]);
        let step = self
            .steps
            .step("materialise", &inputs, async |folder| {
                let job = Job::Materialise {
                    plan: Box::new(plan.clone()),
                    source: self.request.target.source.clone(),
                };
                self.job_in(job, folder, Vec::new()).await
            })
            .await?;
        Ok(match Failure::of_report(Stage::Instantiate, &step.value) {
            Some(failure) => Err(failure),
            None => Ok(step.folder.join("checkpoint")),
        })
    }

    async fn reference(
        &self,
        plan: &PortPlan,
        phase: Phase,
        dynamic: bool,
        checkpoint: PathBuf,
    ) -> Reached<Ground> {
        let basis = Basis {
            plan,
            phase,
            dynamic,
            checkpoint: &checkpoint,
            seed: self.hidden_seed(phase)?,
        };
        let mut computed = match self.compute_reference(&basis, &Further::default()).await? {
            Ok(computed) => computed,
            Err(failure) => return Ok(Err(failure)),
        };
        // Branches that no set took are aimed at once: what is still open then is a limit.
        let further = computed.further(&basis);
        if !further.is_empty()
            && let Ok(again) = self.compute_reference(&basis, &further).await?
        {
            computed = again;
        }
        let Computed {
            mut reference,
            answered,
            branches,
            input_folder,
        } = computed;
        reference.limits.extend(limits::of_plan(plan));
        reference.limits.extend(branches::limits(&branches));
        let files = |corner: bool| {
            let sets = reference.sets.iter().filter(|set| set.corner == corner);
            let file = |set: &InputSet| input_folder.join(set.file_name());
            sets.map(file).collect()
        };
        Ok(Ok(Ground {
            checkpoint,
            inputs: files(false),
            corners: files(true),
            input_folder,
            reference,
            branches,
            exercised: answered.exercised,
            mixes_rows: answered.mixes_rows,
        }))
    }
}

/// What a reference is computed of.
struct Basis<'a> {
    plan: &'a PortPlan,
    phase: Phase,
    dynamic: bool,
    checkpoint: &'a Path,
    seed: u64,
}

/// A reference that was computed and found sound.
struct Computed {
    reference: Reference,
    answered: Answered,
    branches: Branches,
    input_folder: PathBuf,
}

impl Computed {
    /// What it leaves to be tried.
    fn further(&self, basis: &Basis<'_>) -> Further {
        let tables = &self.answered.ran.tables;
        Further::of(basis.plan, basis.dynamic, &self.branches, tables)
    }
}

impl Launch<'_> {
    /// Draws the sets, those of `further` among them, and computes the reference on them.
    async fn compute_reference(&self, basis: &Basis<'_>, further: &Further) -> Reached<Computed> {
        let &Basis {
            plan,
            phase,
            dynamic,
            checkpoint,
            seed,
        } = basis;
        let outlines = inputs::outlines(plan, dynamic, seed)
            .and_then(|sets| Ok([sets, corners::outlines(plan, dynamic, further, seed)?].concat()));
        let sets = match outlines {
            Ok(sets) => sets,
            Err(error) => return Ok(Err(undrawable(&error))),
        };
        let key = json!([
            phase,
            dynamic,
            checkpoint,
            plan.class,
            plan.call,
            plan.config,
            plan.weights,
            plan.dims,
            plan.inputs,
            further
        ]);
        let step = self
            .steps
            .step("reference", &key, async |folder| {
                let input_folder = subfolder(folder, "inputs")?;
                let undrawn = |error: InputError| DriverError::Inputs(error.to_string());
                let drawn =
                    inputs::draw_into(plan, dynamic, seed, &input_folder).map_err(undrawn)?;
                let beyond = corners::draw_into(plan, dynamic, further, seed, &input_folder)
                    .map_err(undrawn)?;
                let files = |sets: &[InputSet]| {
                    let file = |set: &InputSet| path_text(&input_folder.join(set.file_name()));
                    sets.iter().map(file).collect()
                };
                let work = subfolder(folder, "job")?;
                let job = Job::Reference {
                    plan: Box::new(plan.clone()),
                    source: self.request.target.source.clone(),
                    checkpoint: path_text(checkpoint),
                    inputs: files(&drawn),
                    corners: files(&beyond),
                    branches: true,
                };
                let readable = vec![checkpoint.to_owned(), input_folder];
                self.job_in(job, &work, readable).await
            })
            .await?;
        if let Some(failure) = Failure::of_report(Stage::Forward, &step.value) {
            return Ok(Err(failure));
        }
        let answered = match answer::<Answered>(&step.value) {
            Ok(answered) => answered.believable(),
            Err(error) => return Ok(Err(malformed(&error.to_string()))),
        };
        if let Some(unsteady) = &answered.unsteady {
            let outputs = unsteady.outputs.join(", ");
            return Ok(Err(Failure::fail(plain::unsteady(
                unsteady.random,
                &outputs,
            ))));
        }
        let branches = match branches::read(&answered.branches) {
            Ok(branches) => branches,
            Err(error) => return Ok(Err(malformed(&error.to_string()))),
        };
        let reference = Reference::read(&step.folder.join("job"), sets, &answered.ran);
        Ok(match reference {
            Ok(reference) => Ok(Computed {
                reference,
                answered,
                branches,
                input_folder: step.folder.join("inputs"),
            }),
            Err(finding) => Err(Failure::fail(finding)),
        })
    }
}

/// The failure of a reference whose job answered with no report.
pub fn malformed(why: &str) -> Failure {
    Failure::fail(Box::new(Finding {
        stage: Stage::Forward,
        backend: None,
        signature: Signature::phrase("the reference's answer is malformed"),
        message: format!("the reference answered with no report: {why}"),
        error: None,
        hint: Some(
            "this is a defect in Portwright: please report it with the run's events".to_owned(),
        ),
    }))
}

/// The failure of a plan whose sizes no input can have.
pub fn undrawable(error: &InputError) -> Failure {
    Failure::fail(Box::new(Finding {
        stage: Stage::Analyse,
        backend: None,
        signature: Signature::phrase("the judge's inputs cannot be drawn"),
        message: error.to_string(),
        error: None,
        hint: Some(error.hint().to_owned()),
    }))
}

/// The most places of what is no tensor that are told.
const MOST_PLACES: usize = 200;

/// What the job of the reference answers beside its files.
#[derive(serde::Deserialize)]
struct Answered {
    exercised: Vec<String>,
    mixes_rows: bool,
    branches: serde_json::Value,
    #[serde(flatten)]
    ran: Ran,
    unsteady: Option<Unsteady>,
}

/// What gives something else when the model is called on the same inputs once more.
#[derive(serde::Deserialize)]
struct Unsteady {
    /// Whether a fresh model gives something else again.
    random: bool,
    outputs: Vec<String>,
}

impl Answered {
    /// Without the names that are none, and without more places than a person can be told.
    fn believable(mut self) -> Self {
        self.exercised.retain(|name| text::is_name(name));
        self.ran.untouched.retain(|name| text::is_name(name));
        self.ran.not_tensors.truncate(MOST_PLACES);
        self
    }
}

impl Launch<'_> {
    /// Runs a job in the sandbox with what the user gave readable: the model's own source, the weights of a checkpoint.
    pub async fn job_in(
        &self,
        job: Job,
        work: &Path,
        mut readable: Vec<PathBuf>,
    ) -> Result<JobReport, DriverError> {
        readable.extend(self.request.readable());
        let job = JobRequest {
            job,
            work: work.to_owned(),
            readable,
            limits: self.steps.limits(),
        };
        let report = self.steps.session.workers.run(&job).await?;
        self.steps.spent(&job.job, &report);
        had_space(&report, work, self.steps.session.ledger.folder())?;
        Ok(report)
    }

    /// The judge's seed for a phase of this run: drawn once, kept in the ledger, and shown to nobody before the verdict.
    pub fn hidden_seed(&self, phase: Phase) -> Result<u64, DriverError> {
        let seeds: [u64; 2] = serde_json::from_value(self.steps.session.ledger.seeds_for_judge(
            &self.steps.run,
            || {
                // Below 2^53, so that the seed survives readers of JSON that hold every number as a double.
                let draw = || rand::rng().random_range(0..1_u64 << 53);
                json!([draw(), draw()])
            },
        )?)?;
        Ok(match phase {
            Phase::Search => seeds[0],
            Phase::Fresh => seeds[1],
        })
    }
}

pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use portwright_core::job::JobError;

    use super::*;

    fn report(outcome: JobOutcome) -> JobReport {
        JobReport {
            outcome,
            peak_resident_bytes: 0,
            wall_seconds: 0.0,
            cpu_seconds: 0.0,
            isolation: "none".into(),
        }
    }

    fn failed_while(doing: &str) -> JobReport {
        let error = JobError {
            exception: "ValueError".into(),
            doing: doing.into(),
            ..JobError::default()
        };
        report(JobOutcome::Failed { error })
    }

    #[test]
    fn a_finding_names_the_stage_that_the_worker_had_reached() {
        let stage = |doing| {
            Failure::of_report(Stage::Forward, &failed_while(doing))
                .unwrap()
                .finding
                .stage
        };
        assert_eq!(stage("instantiate"), Stage::Instantiate);
        assert_eq!(stage("check artefact"), Stage::Export);
        assert_eq!(stage("something new"), Stage::Forward);
    }

    #[test]
    fn a_job_killed_for_a_limit_has_the_verdict_of_that_limit() {
        let failure = Failure::of_report(
            Stage::Export,
            &report(JobOutcome::TimedOut { seconds: 1.0 }),
        )
        .unwrap();
        assert_eq!(failure.verdict, Verdict::TimedOut);
        assert_eq!(failure.finding.stage, Stage::Export);
    }

    #[test]
    fn an_answer_is_no_failure() {
        let done = report(JobOutcome::Done {
            result: serde_json::Value::Null,
        });
        assert!(Failure::of_report(Stage::Export, &done).is_none());
    }
}

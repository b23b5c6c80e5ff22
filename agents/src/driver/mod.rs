//! The driver: the only part of the agents that does input and output.
//!
//! It hands observations to the step machines, carries their actions out in the sandbox, and records every step in
//! the ledger under a key made of everything that can change its result. A killed run resumes because a finished key
//! is never done again.

mod ablate;
mod analyse;
mod artefact;
mod attempt;
mod chain;
mod consult;
mod contained;
mod diverge;
mod error;
mod execution;
mod forward;
mod generation;
mod ground;
mod knowledge;
mod launch;
mod learn;
mod made;
mod plain;
mod port;
mod publish;
mod repair;
mod reproduce;
mod run;
mod session;
mod source;
mod space;
mod steps;

use std::{collections::BTreeMap, path::PathBuf};

use portwright_core::{
    Backend, Digest, Family, Finding, ModelType, PortPlan, RunId, Verdict, event::Record,
    job::ModelSource, verdict::BackendVerdict,
};
use portwright_knowledge::propose::ProposeOptions;
use portwright_ledger::Ledger;
use serde::{Deserialize, Serialize};

use crate::llm::{Coming, Consult};

pub use error::{Blame, DriverError};
pub use run::Known;
pub use session::Session;

/// Shown every event as it happens.
pub trait Observer: Send + Sync {
    fn event(&self, record: &Record);

    /// Another process works on the same run; this one waits for it.
    fn waiting(&self, pid: Option<u32>);

    /// A language model answers; told with every piece of the answer.
    fn coming(&self, _coming: &Coming<'_>) {}
}

/// What to port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What the user typed.
    pub name: String,
    pub model_type: ModelType,
    pub source: ModelSource,
    /// The digest of a local folder's code and configuration; `None` for the library's own types.
    pub source_digest: Option<Digest>,
    /// A local folder's Python files, by name; they become part of the skillset.
    #[serde(skip)]
    pub modelling: Option<BTreeMap<String, String>>,
}

/// One launch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub target: Target,
    pub backends: Vec<Backend>,
    pub propose: ProposeOptions,
    /// A plan given by a person.
    pub plan: Option<PortPlan>,
    /// Whether other plans are searched for where the given one has no sound reference. A person's plan is what is ported,
    /// or nothing is; one that is known to fail is where a repair begins.
    #[serde(default)]
    pub search_from_plan: bool,
    /// A folder with a real configuration and weights.
    pub checkpoint: Option<PathBuf>,
    /// The digest of the checkpoint's files.
    pub checkpoint_digest: Option<Digest>,
    /// The files that the links in the checkpoint's folder lead to: a job that reads the one reads the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint_weights: Vec<PathBuf>,
    /// The largest number of plans the analyst tries.
    pub analyst_budget: u32,
    /// After this many CPU seconds of the jobs of the analysis, or [`WAITS`] times as many on the clock, the analyst tries
    /// nothing more.
    pub analysis_seconds: u64,
    /// The largest number of repairs the fixer proposes.
    pub attempts: u32,
    /// After this many CPU seconds of the jobs of repairs, or [`WAITS`] times as many on the clock, the fixer proposes
    /// nothing more.
    pub repair_seconds: u64,
    /// Where passing skillsets are committed; `None` commits nothing.
    pub repository: Option<PathBuf>,
    /// A number of its own for a launch that must not find an earlier one's results.
    pub fresh: Option<u64>,
    pub effort: Effort,
    /// The language model that may be asked, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consult: Option<Consult>,
}

impl Request {
    /// What every job of the launch may read of what the user gave.
    pub fn readable(&self) -> Vec<PathBuf> {
        let folder = match &self.target.source {
            ModelSource::Library => None,
            ModelSource::Folder { path } => Some(PathBuf::from(path)),
        };
        let weights = self.checkpoint_weights.iter().cloned();
        folder.into_iter().chain(weights).collect()
    }
}

/// A limit of CPU time does not depend on what else the machine does, and a job that sleeps never meets it. So for each
/// second of it there may be so many on the clock, which an honest job of a machine that others use too does not need.
pub const WAITS: u64 = 3;

/// How much a launch does beyond the judge's word on a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// What is built once more from nothing before its verdict counts.
    pub verify: Verify,
    /// Whether types that generate are also taken through prefill and decode with a cache.
    pub generation: bool,
    /// Timed repetitions on the first input set.
    pub repeats: u32,
    /// Loads over which the memory slope is fitted; fewer than three fit none.
    pub reloads: u32,
    /// Whether the files of the steps are kept for a look when a backend did not pass.
    pub keep_files: bool,
    /// Whether the artefacts of passes are kept in the ledger's store. Their digests are in the evidence either way.
    pub keep_artefacts: bool,
}

/// What is built once more from nothing, on another hidden seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Every port, and the skillset's own tests run.
    Always,
    /// A port whose plan was repaired. The first plan's artefacts were themselves built from nothing, on a seed that
    /// nothing had used.
    Repaired,
}

impl Effort {
    /// What a skillset deserves that is going to be committed.
    pub const FULL: Effort = Effort {
        verify: Verify::Always,
        generation: true,
        repeats: 20,
        reloads: 5,
        keep_files: true,
        keep_artefacts: true,
    };
    /// What a sweep needs for a verdict.
    pub const SWEEP: Effort = Effort {
        verify: Verify::Repaired,
        generation: true,
        repeats: 5,
        reloads: 0,
        keep_files: false,
        keep_artefacts: false,
    };
}

/// A failure as it was met, before it was repaired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Met {
    pub plan: PortPlan,
    pub finding: Finding,
}

/// How a launch ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub run: RunId,
    pub model_type: ModelType,
    pub library_version: String,
    /// One verdict per requested backend: the judge's word on the fresh build where there was one.
    pub verdicts: Vec<BackendVerdict>,
    /// Generation with a cache; empty for a type that does not generate.
    #[serde(default)]
    pub generation: Vec<BackendVerdict>,
    pub branch: Option<String>,
    pub commit: Option<String>,
    /// Model types whose modules were executed by the reference, those of nested configurations included.
    #[serde(default)]
    pub exercised: Vec<String>,
    /// The model types from which the model is put together, where its class has no `forward`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ModelType>,
    /// The type whose model was ported, where the launch's own type is a part that no class takes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<ModelType>,
    /// CPU seconds of the jobs of this launch, by step.
    #[serde(default)]
    pub cpu_seconds: BTreeMap<String, f64>,
    /// The largest resident memory of any job, in bytes.
    #[serde(default)]
    pub peak_resident_bytes: u64,
    /// The plan that the verdicts are on; `None` where no plan was found.
    #[serde(default)]
    pub plan: Option<PortPlan>,
    /// The failures that were met before anything was repaired.
    #[serde(default)]
    pub met: Vec<Met>,
    /// How many other plans were proposed to repair them.
    #[serde(default)]
    pub proposals: u32,
    /// The learnt rules that the fixer could use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered: Vec<String>,
    /// Whether everything was found finished in the ledger.
    pub reused: bool,
}

impl Outcome {
    /// The class that was ported; `None` where no plan was found.
    pub fn class(&self) -> Option<&str> {
        self.plan.as_ref().map(|plan| plan.class.as_str())
    }

    /// The architecture family of the plan; `None` where none was found.
    pub fn family(&self) -> Option<Family> {
        self.plan.as_ref().map(|plan| plan.family)
    }

    /// Whether every requested backend passed; nothing requested is no pass.
    pub fn passed(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|v| v.verdict == Verdict::Pass)
    }
}

/// The outcome of a run that has ended; `None` where the ledger holds none.
pub fn outcome(ledger: &Ledger, run: &RunId) -> Result<Option<Outcome>, DriverError> {
    run::kept(ledger, run)
}

/// Takes one launch all the way, or goes on with one that was killed.
pub async fn run(session: &Session, request: &Request) -> Result<Outcome, DriverError> {
    run::run(session, request).await
}

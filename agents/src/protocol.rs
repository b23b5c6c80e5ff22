//! What agents ask for and what they are told: the one vocabulary between every agent and the driver.

mod consult;
mod reproduce;

use portwright_core::{
    Backend, Finding, InterfaceCard, PortPlan, Verdict,
    job::{Introspection, JobReport},
    plan::Adaptation,
    verdict::BackendVerdict,
};
use portwright_prompts::fixer::Excerpt;
use serde::{Deserialize, Serialize};

pub use consult::{Lookup, Message, Question, Reply, Tool};
pub use reproduce::Reproduction;

/// What an agent asks the driver to do. `F` is what the agent hands over when it is finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action<F> {
    /// Import the type in the sandbox and list its classes and defaults.
    Introspect,
    /// Read the library's source and join it with what introspection showed.
    ReadSource { introspection: Box<Introspection> },
    /// Instantiate the plan, run the eager reference on the judge's input sets, and ask the judge whether it is sound.
    Probe { plan: Box<PortPlan> },
    /// Render the skillset's code from the plan.
    Render { plan: Box<PortPlan> },
    /// Have the skillset make the backend's artefact in the sandbox.
    Build { backend: Backend },
    /// Run the artefact (or the module itself) on the judge's input sets.
    Execute { backend: Backend },
    /// Have the judge compare.
    Judge {
        backend: Backend,
        report: Box<JobReport>,
    },
    /// Ask the language model.
    Consult { question: Box<Question> },
    /// Read the library's source or that of the model's own folder, or search the index of the knowledge.
    Look { lookup: Lookup },
    /// See whether a smaller plan meets the same failure. A question and no verdict: it is no attempt and no proposal.
    Reproduce { reproduction: Box<Reproduction> },
    /// The agent is finished.
    Finish(F),
}

/// What the driver tells an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "observation", rename_all = "kebab-case")]
pub enum Observation {
    /// The agent's first step.
    Begin,
    Introspected {
        introspection: Box<Introspection>,
    },
    SourceRead {
        card: Box<InterfaceCard>,
    },
    /// The plan instantiates and its reference is sound; `exercised` names the model types whose modules it called,
    /// and `mixes_rows` says whether a row of its batch gives something else alone.
    Sound {
        exercised: Vec<String>,
        mixes_rows: bool,
    },
    Rendered {
        files: usize,
    },
    Built,
    Executed {
        report: Box<JobReport>,
    },
    Judged {
        verdict: Box<BackendVerdict>,
    },
    /// An attempt of the port ended with this finding on this plan.
    Attempted {
        plan: Box<PortPlan>,
        finding: Box<Finding>,
    },
    /// The last repair cured its backend and broke another.
    BrokeAnother,
    /// What came of a question to the language model.
    Consulted {
        reply: Reply,
    },
    /// What a lookup found; without an excerpt, why it found nothing.
    Looked {
        found: Result<Excerpt, String>,
    },
    /// Whether the smaller plan met the same failure.
    Reproduced {
        met: bool,
    },
    /// The action failed for a reason that lies in the model type or the plan.
    Failed {
        verdict: Verdict,
        finding: Box<Finding>,
    },
}

/// A pure step machine.
pub trait Agent {
    /// What the agent hands over when it is finished.
    type Finished;

    /// The agent's name in events.
    const NAME: &'static str;

    /// The next action, given what the last one led to.
    fn step(&mut self, observation: Observation) -> Action<Self::Finished>;
}

/// A plan that a ladder's rung proposes, with what it changed and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    pub plan: Box<PortPlan>,
    pub adaptation: Adaptation,
}

/// The finding of an agent that was told something it did not ask for: a defect in the driver, said rather than
/// swallowed.
pub(crate) fn unexpected(agent: &str, observation: &Observation) -> Finding {
    let told = serde_json::to_value(observation)
        .ok()
        .and_then(|value| Some(value.get("observation")?.as_str()?.to_owned()))
        .unwrap_or_default();
    Finding {
        stage: portwright_core::Stage::Analyse,
        backend: None,
        signature: portwright_core::Signature::phrase(format!("unexpected observation @ {agent}")),
        message: format!("the {agent} was told `{told}`, which it did not ask for"),
        error: None,
        hint: Some(
            "this is a defect in Portwright: please report it with the run's events".to_owned(),
        ),
    }
}

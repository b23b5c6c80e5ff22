//! The generator: from a plan to the skillset's code.

use portwright_core::{Finding, PortPlan};
use serde::{Deserialize, Serialize};

use crate::protocol::{Action, Agent, Observation, unexpected};

/// Asks for the skillset of one plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generator {
    plan: Box<PortPlan>,
}

impl Generator {
    pub fn new(plan: PortPlan) -> Self {
        Self {
            plan: Box::new(plan),
        }
    }
}

impl Agent for Generator {
    type Finished = Result<usize, Box<Finding>>;
    const NAME: &'static str = "generator";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        match observation {
            Observation::Begin => Action::Render {
                plan: self.plan.clone(),
            },
            Observation::Rendered { files } => Action::Finish(Ok(files)),
            Observation::Failed { finding, .. } => Action::Finish(Err(finding)),
            other => Action::Finish(Err(Box::new(unexpected(Self::NAME, &other)))),
        }
    }
}

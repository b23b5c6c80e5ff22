//! The analyst: from a model type to its interface card and a plan whose eager reference is sound.

use portwright_core::{Finding, InterfaceCard, PortPlan, Signature, Stage};
use portwright_knowledge::{
    propose::{self, ProposeOptions},
    search::Frontier,
};
use serde::{Deserialize, Serialize};

use crate::protocol::{Action, Agent, Observation, unexpected};

/// What the analyst hands over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub card: Box<InterfaceCard>,
    pub plan: Box<PortPlan>,
    /// How many plans were tried.
    pub tries: u32,
    /// Model types whose modules the reference called.
    pub exercised: Vec<String>,
}

/// Reads a model type and searches for a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analyst {
    options: ProposeOptions,
    /// A plan that a person gave: it is tried as it is, and never silently replaced by another.
    given: Option<Box<PortPlan>>,
    /// The largest number of plans to try.
    budget: u32,
    tries: u32,
    card: Option<Box<InterfaceCard>>,
    current: Option<Box<PortPlan>>,
    frontier: Frontier,
    /// The finding of the first plan, which says more to a person than that of the last guess.
    first_finding: Option<Box<Finding>>,
}

impl Analyst {
    pub fn new(options: ProposeOptions, given: Option<PortPlan>, budget: u32) -> Self {
        Self {
            options,
            given: given.map(Box::new),
            budget,
            tries: 0,
            card: None,
            current: None,
            frontier: Frontier::default(),
            first_finding: None,
        }
    }

    fn first_plan(&mut self, card: Box<InterfaceCard>) -> Action<<Self as Agent>::Finished> {
        let plan = match &self.given {
            Some(plan) => plan.clone(),
            None => match propose::propose(&card, &self.options) {
                Ok(plan) => Box::new(plan),
                Err(error) => {
                    return Action::Finish(Err(Box::new(Finding {
                        stage: Stage::Analyse,
                        backend: None,
                        signature: Signature::phrase("no plan can be proposed"),
                        message: error.to_string(),
                        error: None,
                        hint: Some(error.hint().to_owned()),
                    })));
                }
            },
        };
        self.card = Some(card);
        self.probe(plan)
    }

    fn probe(&mut self, plan: Box<PortPlan>) -> Action<<Self as Agent>::Finished> {
        self.tries += 1;
        self.current = Some(plan.clone());
        Action::Probe { plan }
    }

    fn next_plan(&mut self, finding: Box<Finding>) -> Action<<Self as Agent>::Finished> {
        let first = self
            .first_finding
            .get_or_insert_with(|| finding.clone())
            .clone();
        let (Some(card), Some(current)) = (&self.card, &self.current) else {
            // Introspection itself failed: there is nothing to vary.
            return Action::Finish(Err(finding));
        };
        if self.given.is_some() || self.tries >= self.budget {
            return Action::Finish(Err(first));
        }
        // A class or a task that a person asked for is what is ported, or nothing is.
        let asked = self.options.class.is_some() || self.options.task.is_some();
        let class = current.class.clone();
        self.frontier.observe(card, current, &finding);
        while let Some(candidate) = self.frontier.advance() {
            if !asked || candidate.plan.class == class {
                return self.probe(Box::new(candidate.plan));
            }
        }
        Action::Finish(Err(first))
    }
}

impl Agent for Analyst {
    type Finished = Result<Analysis, Box<Finding>>;
    const NAME: &'static str = "analyst";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        match observation {
            Observation::Begin => Action::Introspect,
            Observation::Introspected { introspection } => Action::ReadSource { introspection },
            Observation::SourceRead { card } => self.first_plan(card),
            Observation::Sound { exercised } => match (self.card.take(), self.current.take()) {
                (Some(card), Some(plan)) => Action::Finish(Ok(Analysis {
                    card,
                    plan,
                    tries: self.tries,
                    exercised,
                })),
                _ => Action::Finish(Err(Box::new(unexpected(
                    Self::NAME,
                    &Observation::Sound { exercised },
                )))),
            },
            Observation::Failed { finding, .. } => self.next_plan(finding),
            other => Action::Finish(Err(Box::new(unexpected(Self::NAME, &other)))),
        }
    }
}

#[cfg(test)]
mod tests;

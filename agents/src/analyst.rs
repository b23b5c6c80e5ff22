//! The analyst: from a model type to its interface card and a plan whose eager reference is sound.

use portwright_core::{Finding, InterfaceCard, ModelType, PortPlan, Signature, Stage};
use portwright_knowledge::{
    propose::{self, ProposeOptions},
    search::{Frontier, NOT_CALLED, STATED},
};
use serde::{Deserialize, Serialize};

use crate::{
    dialogue::{Advisor, Next, Rung, Topic},
    protocol::{Action, Agent, Observation, unexpected},
};

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

impl Analysis {
    /// The type whose model the port is, where its own type is a part of that.
    pub fn whole(&self) -> Option<&ModelType> {
        self.card.whole.as_ref()
    }
}

/// Reads a model type and searches for a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analyst {
    options: ProposeOptions,
    /// A plan that was given: it is tried first.
    given: Option<Box<PortPlan>>,
    /// Whether another plan may take the place of the given one. A person's is tried as it is, and never silently replaced.
    replaceable: bool,
    /// The largest number of plans to try.
    budget: u32,
    tries: u32,
    /// How many of them an error asked for outright.
    #[serde(default)]
    asked: u32,
    card: Option<Box<InterfaceCard>>,
    current: Option<Box<PortPlan>>,
    frontier: Frontier,
    /// Why the search tries nothing more, though it might have more.
    #[serde(default)]
    stopped: Option<String>,
    model: Rung,
}

impl Analyst {
    pub fn new(
        options: ProposeOptions,
        given: Option<PortPlan>,
        budget: u32,
        advisor: Option<Advisor>,
    ) -> Self {
        Self {
            options,
            given: given.map(Box::new),
            replaceable: false,
            budget,
            tries: 0,
            asked: 0,
            card: None,
            current: None,
            frontier: Frontier::default(),
            stopped: None,
            model: Rung::new(Topic::Plan, advisor),
        }
    }

    /// Searches on from the given plan where it has no sound reference.
    pub fn searching_on(mut self) -> Self {
        self.replaceable = true;
        self
    }

    /// The search tries nothing more, for this reason; a model may.
    pub fn stop_searching(&mut self, why: &str) {
        self.stopped = Some(why.to_owned());
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
                        signature: Signature::phrase(error.phrase()),
                        message: error.to_string(),
                        error: None,
                        hint: Some(error.hint()),
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
        let (Some(card), Some(current)) = (&self.card, self.current.clone()) else {
            // Introspection itself failed: there is nothing to vary.
            return Action::Finish(Err(finding));
        };
        if self.given.is_some() && !self.replaceable {
            return Action::Finish(Err(finding));
        }
        self.model.note(&current, &finding);
        if !self.model.begun() {
            self.frontier.observe(card, &current, &finding);
            while self.stopped.is_none()
                && self.spent() < self.budget
                && let Some(candidate) = self.frontier.advance()
            {
                if self.may_be(&candidate.plan.class, &current.class) {
                    self.asked += u32::from(candidate.adaptation.provenance.name == STATED);
                    let provenance = &candidate.adaptation.provenance;
                    tracing::debug!(axis = provenance.name, reason = provenance.reason, "tries");
                    self.model.proposes(&provenance.reason);
                    return self.probe(Box::new(candidate.plan));
                }
            }
        }
        match self.model.failed(card, &current, &finding) {
            Some(next) => self.carry(next),
            // The earliest of the plans that came furthest says more to a person than the last guess.
            None => {
                let finding = self.model.finding().unwrap_or(finding);
                Action::Finish(Err(self.with_reason(finding)))
            }
        }
    }

    /// The finding with the reason for which the search ended early, where it did.
    fn with_reason(&self, mut finding: Box<Finding>) -> Box<Finding> {
        if let Some(reason) = &self.stopped {
            let hint = finding.hint.take();
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            finding.hint = Some(format!("{reason}{hint}"));
        }
        finding
    }

    /// The tries that count. What an error asks for outright is a step on a way and no guess, so half as many of such steps
    /// as there are guesses are free: a table may lack one key after the other.
    fn spent(&self) -> u32 {
        self.tries - self.asked.min(self.budget / 2).min(self.tries)
    }

    /// Whether the port is one of a part within its whole, and the whole ran without the part.
    fn misses_part(&self, exercised: &[String]) -> bool {
        self.card.as_ref().is_some_and(|card| {
            card.whole.is_some()
                && !exercised
                    .iter()
                    .any(|name| name == card.model_type.as_str())
        })
    }

    fn not_called(&self) -> Box<Finding> {
        let part = self.card.as_ref().map(|card| card.model_type.to_string());
        Box::new(Finding {
            stage: Stage::Reference,
            backend: None,
            signature: Signature::phrase(NOT_CALLED),
            message: format!(
                "the reference calls no module of `{}`",
                part.unwrap_or_default()
            ),
            error: None,
            hint: Some(
                "give the inputs that the part is for, or choose a class that uses it".into(),
            ),
        })
    }

    /// A class or a task that a person asked for is what is ported, or nothing is.
    fn may_be(&self, class: &str, current: &str) -> bool {
        let asked = self.options.class.is_some() || self.options.task.is_some();
        !asked || class == current
    }

    fn carry(&mut self, next: Next) -> Action<<Self as Agent>::Finished> {
        match next {
            Next::Reproduce(reproduction) => Action::Reproduce { reproduction },
            Next::Ask(question) => Action::Consult { question },
            Next::Look(lookup) => Action::Look { lookup },
            Next::Propose(proposal) => {
                self.model.proposes(&proposal.adaptation.provenance.reason);
                let current = self.current.as_ref().map(|plan| plan.class.clone());
                let fits = current.is_none_or(|class| self.may_be(&proposal.plan.class, &class));
                if fits {
                    return self.probe(proposal.plan);
                }
                let why = "the class was asked for by a person and stays";
                let card = self.card.as_ref();
                match card.and_then(|card| self.model.rejected(card, why)) {
                    Some(next) => self.carry(next),
                    None => self.end("it proposes another class than a person asked for"),
                }
            }
            Next::End(reason) => self.end(&reason),
        }
    }

    /// The finding stays what it was; its hint tells what the model had to say.
    fn end(&self, reason: &str) -> Action<<Self as Agent>::Finished> {
        let Some(mut finding) = self.model.finding() else {
            return Action::Finish(Err(Box::new(unexpected(Self::NAME, &Observation::Begin))));
        };
        let hint = finding
            .hint
            .take()
            .map(|hint| format!("{hint}; "))
            .unwrap_or_default();
        finding.hint = Some(format!("{hint}the model did not help: {reason}"));
        Action::Finish(Err(finding))
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
            Observation::Sound { exercised, .. } if self.misses_part(&exercised) => {
                let finding = self.not_called();
                self.next_plan(finding)
            }
            Observation::Sound {
                exercised,
                mixes_rows,
            } => match (self.card.take(), self.current.take()) {
                (Some(card), Some(plan)) => Action::Finish(Ok(Analysis {
                    card,
                    plan: Box::new(PortPlan {
                        mixes_rows,
                        ..*plan
                    }),
                    tries: self.tries,
                    exercised,
                })),
                _ => Action::Finish(Err(Box::new(unexpected(
                    Self::NAME,
                    &Observation::Sound {
                        exercised,
                        mixes_rows,
                    },
                )))),
            },
            Observation::Failed { finding, .. } => self.next_plan(finding),
            other => match &self.card {
                Some(card) => match self.model.told(card, other) {
                    Ok(next) => self.carry(next),
                    Err(other) => Action::Finish(Err(Box::new(unexpected(Self::NAME, &other)))),
                },
                None => Action::Finish(Err(Box::new(unexpected(Self::NAME, &other)))),
            },
        }
    }
}

#[cfg(test)]
mod tests;

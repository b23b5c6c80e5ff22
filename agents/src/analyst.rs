//! The analyst: from a model type to its interface card and a plan whose eager reference is sound.

use portwright_core::{Finding, InterfaceCard, PortPlan, Signature, Stage};
use portwright_knowledge::{
    propose::{self, ProposeOptions},
    search::Frontier,
};
use portwright_prompts::fixer::Tried;
use serde::{Deserialize, Serialize};

use crate::{
    dialogue::{self, Advisor, Case, Dialogue, Next, Topic},
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
    advisor: Option<Advisor>,
    /// The dialogue with a model, begun when rules and search have no more to try.
    dialogue: Option<Dialogue>,
    /// The plan that came furthest, with its finding: what a model is asked about.
    furthest: Option<(Box<PortPlan>, Box<Finding>)>,
    /// What the current plan was made of, and what came of those before.
    change: String,
    tried: Vec<Tried>,
    failed: Vec<portwright_core::Digest>,
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
            budget,
            tries: 0,
            card: None,
            current: None,
            frontier: Frontier::default(),
            first_finding: None,
            advisor,
            dialogue: None,
            furthest: None,
            change: "nothing yet: the first plan".to_owned(),
            tried: Vec::new(),
            failed: Vec::new(),
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
        let (Some(card), Some(current)) = (&self.card, self.current.clone()) else {
            // Introspection itself failed: there is nothing to vary.
            return Action::Finish(Err(finding));
        };
        if self.given.is_some() {
            return Action::Finish(Err(first));
        }
        self.frontier.observe(card, &current, &finding);
        self.failed.extend(dialogue::digest(&current));
        let tried = Tried {
            change: std::mem::take(&mut self.change),
            outcome: dialogue::outcome(&finding),
        };
        if let Some(dialogue) = &mut self.dialogue {
            let next = dialogue.failed(card, &current, &finding, tried);
            return self.carry(next);
        }
        self.tried.push(tried);
        let before = self.furthest.as_ref().map(|(_, known)| known.stage);
        if before.is_none_or(|before| finding.stage > before) {
            self.furthest = Some((current.clone(), finding));
        }
        while self.tries < self.budget
            && let Some(candidate) = self.frontier.advance()
        {
            if self.may_be(&candidate.plan.class, &current.class) {
                self.change = candidate.adaptation.provenance.reason;
                return self.probe(Box::new(candidate.plan));
            }
        }
        self.consult(first)
    }

    /// A class or a task that a person asked for is what is ported, or nothing is.
    fn may_be(&self, class: &str, current: &str) -> bool {
        let asked = self.options.class.is_some() || self.options.task.is_some();
        !asked || class == current
    }

    /// Begins the dialogue with the model; without one, `first` is the end.
    fn consult(&mut self, first: Box<Finding>) -> Action<<Self as Agent>::Finished> {
        let (Some(advisor), Some(card), Some((plan, finding))) =
            (self.advisor.clone(), &self.card, self.furthest.clone())
        else {
            return Action::Finish(Err(first));
        };
        let mut dialogue = Dialogue::new(
            advisor,
            Case {
                topic: Topic::Plan,
                plan,
                finding,
                tried: self.tried.clone(),
                failed: self.failed.clone(),
            },
        );
        let next = dialogue.begin(card);
        self.dialogue = Some(dialogue);
        self.carry(next)
    }

    fn carry(&mut self, next: Next) -> Action<<Self as Agent>::Finished> {
        match next {
            Next::Ask(question) => Action::Consult { question },
            Next::Look(lookup) => Action::Look { lookup },
            Next::Propose(proposal) => {
                let current = self.current.as_ref().map(|plan| plan.class.clone());
                let fits = current.is_none_or(|class| self.may_be(&proposal.plan.class, &class));
                self.change = proposal.adaptation.provenance.reason;
                match (fits, &self.card, &mut self.dialogue) {
                    (false, Some(card), Some(dialogue)) => {
                        let change = std::mem::take(&mut self.change);
                        let why = "the class was asked for by a person and stays";
                        let next = dialogue.rejected(card, change, why);
                        self.carry(next)
                    }
                    _ => self.probe(proposal.plan),
                }
            }
            Next::End(reason) => {
                let Some(mut first) = self.first_finding.clone() else {
                    return Action::Finish(Err(Box::new(unexpected(
                        Self::NAME,
                        &Observation::Begin,
                    ))));
                };
                // The finding stays what it was; the hint tells what the model had to say.
                let hint = first
                    .hint
                    .take()
                    .map(|hint| format!("{hint}; "))
                    .unwrap_or_default();
                first.hint = Some(format!("{hint}the model did not help: {reason}"));
                Action::Finish(Err(first))
            }
        }
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
            Observation::Consulted { reply } => match (&self.card, &mut self.dialogue) {
                (Some(card), Some(dialogue)) => {
                    let next = dialogue.consulted(card, reply);
                    self.carry(next)
                }
                _ => Action::Finish(Err(Box::new(unexpected(
                    Self::NAME,
                    &Observation::Consulted { reply },
                )))),
            },
            Observation::Looked { found } => match (&self.card, &mut self.dialogue) {
                (Some(card), Some(dialogue)) => {
                    let next = dialogue.looked(card, found);
                    self.carry(next)
                }
                _ => Action::Finish(Err(Box::new(unexpected(
                    Self::NAME,
                    &Observation::Looked { found },
                )))),
            },
            other => Action::Finish(Err(Box::new(unexpected(Self::NAME, &other)))),
        }
    }
}

#[cfg(test)]
mod tests;

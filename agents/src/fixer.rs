//! The fixer: from a finding to the next plan worth trying, cheapest rung first.
//!
//! The ladder is rules, those that were learnt after those that were shipped, then search, then a language model where
//! there is one. [`Frontier`] holds the first two and goes on from the plan that came furthest; a [`Dialogue`] is the
//! third, begun when they are exhausted or their budget is. What the failure does not need is found out before it.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use portwright_knowledge::{rules::learnt::LearntRule, search::Frontier};
use serde::{Deserialize, Serialize};

use crate::{
    dialogue::{Advisor, Next, Rung, Topic},
    protocol::{Action, Agent, Observation, Proposal, unexpected},
};

/// Why a fixer stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GaveUp {
    pub reason: String,
}

/// Climbs the ladder for one backend of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fixer {
    card: Box<InterfaceCard>,
    frontier: Frontier,
    /// How many more repairs of rules and search it may propose; those of a model have the budget of its questions.
    left: u32,
    /// Why rules and search propose nothing more, though they might have more.
    stopped: Option<String>,
    model: Rung,
}

impl Fixer {
    pub fn new(
        card: InterfaceCard,
        budget: u32,
        learnt: Vec<LearntRule>,
        advisor: Option<Advisor>,
    ) -> Self {
        Self {
            card: Box::new(card),
            frontier: Frontier::with_rules(learnt),
            left: budget,
            stopped: None,
            model: Rung::new(Topic::Repair, advisor),
        }
    }

    /// How many more repairs of rules and search it may propose.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Rules and search propose nothing more, for this reason; a model may.
    pub fn stop_searching(&mut self, why: &str) {
        self.stopped = Some(why.to_owned());
    }

    /// Takes note of a plan that failed, and climbs on from it.
    fn observe(&mut self, plan: &PortPlan, finding: &Finding) -> Action<<Self as Agent>::Finished> {
        self.frontier.observe(&self.card, plan, finding);
        self.model.note(plan, finding);
        if let Some(proposal) = self.climb() {
            return Action::Finish(Ok(proposal));
        }
        let next = self.model.failed(&self.card, plan, finding);
        self.carry(next)
    }

    /// The next plan of rules and search, while their budget lasts.
    fn climb(&mut self) -> Option<Proposal> {
        if self.left == 0 || self.stopped.is_some() {
            return None;
        }
        let candidate = self.frontier.advance()?;
        self.left -= 1;
        self.model.proposes(&candidate.adaptation.provenance.reason);
        Some(Proposal {
            plan: Box::new(candidate.plan),
            adaptation: candidate.adaptation,
        })
    }

    fn carry(&mut self, next: Option<Next>) -> Action<<Self as Agent>::Finished> {
        match next {
            None => Action::Finish(Err(self.exhausted())),
            Some(Next::Reproduce(reproduction)) => Action::Reproduce { reproduction },
            Some(Next::Ask(question)) => Action::Consult { question },
            Some(Next::Look(lookup)) => Action::Look { lookup },
            Some(Next::Propose(proposal)) => {
                self.model.proposes(&proposal.adaptation.provenance.reason);
                Action::Finish(Ok(proposal))
            }
            Some(Next::End(reason)) => Action::Finish(Err(GaveUp {
                reason: format!("{}; the model: {reason}", self.exhausted().reason),
            })),
        }
    }

    fn exhausted(&self) -> GaveUp {
        if let Some(reason) = self.stopped.clone() {
            return GaveUp { reason };
        }
        GaveUp {
            reason: if self.left == 0 {
                "the budget of repairs is spent (`run.attempts`)".to_owned()
            } else {
                "no rule answers this finding and the search is exhausted".to_owned()
            },
        }
    }
}

impl Agent for Fixer {
    type Finished = Result<Proposal, GaveUp>;
    const NAME: &'static str = "fixer";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        match observation {
            Observation::Attempted { plan, finding } => self.observe(&plan, &finding),
            Observation::BrokeAnother => {
                if let Some(proposal) = self.climb() {
                    return Action::Finish(Ok(proposal));
                }
                let why = "the change cures this backend and breaks another one";
                let next = self.model.rejected(&self.card, why);
                self.carry(next)
            }
            other => match self.model.told(&self.card, other) {
                Ok(next) => self.carry(Some(next)),
                Err(other) => Action::Finish(Err(GaveUp {
                    reason: unexpected(Self::NAME, &other).message,
                })),
            },
        }
    }
}

#[cfg(test)]
mod tests;

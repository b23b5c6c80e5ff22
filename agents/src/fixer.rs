//! The fixer: from a finding to the next plan worth trying, cheapest rung first.
//!
//! The ladder is rules, those that were learnt after those that were shipped, then search; [`Frontier`] holds them all and
//! goes on from the plan that came furthest. A language model joins as one more rung, asked when they are exhausted.

use portwright_core::InterfaceCard;
use portwright_knowledge::{rules::learnt::LearntRule, search::Frontier};
use serde::{Deserialize, Serialize};

use crate::protocol::{Action, Agent, Observation, Proposal, unexpected};

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
    /// How many more repairs it may propose.
    left: u32,
}

impl Fixer {
    pub fn new(card: InterfaceCard, budget: u32, learnt: Vec<LearntRule>) -> Self {
        Self {
            card: Box::new(card),
            frontier: Frontier::with_rules(learnt),
            left: budget,
        }
    }

    /// How many more repairs it may propose.
    pub fn left(&self) -> u32 {
        self.left
    }

    fn next(&mut self) -> Result<Proposal, GaveUp> {
        if self.left == 0 {
            return Err(GaveUp {
                reason: "the budget of repairs is spent (`run.attempts`)".to_owned(),
            });
        }
        let Some(candidate) = self.frontier.advance() else {
            return Err(GaveUp {
                reason: "no rule answers this finding and the search is exhausted".to_owned(),
            });
        };
        self.left -= 1;
        Ok(Proposal {
            plan: Box::new(candidate.plan),
            adaptation: candidate.adaptation,
        })
    }
}

impl Agent for Fixer {
    type Finished = Result<Proposal, GaveUp>;
    const NAME: &'static str = "fixer";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        match observation {
            Observation::Attempted { plan, finding } => {
                self.frontier.observe(&self.card, &plan, &finding);
                Action::Finish(self.next())
            }
            Observation::BrokeAnother => Action::Finish(self.next()),
            other => Action::Finish(Err(GaveUp {
                reason: unexpected(Self::NAME, &other).message,
            })),
        }
    }
}

#[cfg(test)]
mod tests;

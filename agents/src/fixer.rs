//! The fixer: from a finding to the next plan worth trying, cheapest rung first.
//!
//! The ladder is rules, then search. A language model joins as one more rung, asked when both are exhausted.

use portwright_core::{Digest, InterfaceCard};
use portwright_knowledge::{rules, search};
use serde::{Deserialize, Serialize};

use crate::protocol::{Action, Agent, Observation, Proposal};

/// Why a fixer stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GaveUp {
    pub reason: String,
}

/// Climbs the ladder for one run; it remembers what was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fixer {
    card: Box<InterfaceCard>,
    tried: Vec<Digest>,
    /// The largest number of plans to try.
    budget: u32,
    proposed: u32,
}

impl Fixer {
    pub fn new(card: InterfaceCard, budget: u32) -> Self {
        Self {
            card: Box::new(card),
            tried: Vec::new(),
            budget,
            proposed: 0,
        }
    }
}

impl Agent for Fixer {
    type Finished = Result<Proposal, GaveUp>;
    const NAME: &'static str = "fixer";

    fn step(&mut self, observation: Observation) -> Action<Self::Finished> {
        let Observation::Attempted { plan, finding } = observation else {
            let reason = crate::protocol::unexpected(Self::NAME, &observation).message;
            return Action::Finish(Err(GaveUp { reason }));
        };
        if let Ok(digest) = plan.digest()
            && !self.tried.contains(&digest)
        {
            self.tried.push(digest);
        }
        if self.proposed >= self.budget {
            let reason = format!(
                "the budget of {} repairs is spent (`run.attempts`)",
                self.budget
            );
            return Action::Finish(Err(GaveUp { reason }));
        }
        let by_rule = rules::candidates(&self.card, &plan, &finding);
        let by_search = search::candidates(&self.card, &plan, &finding, &self.tried);
        let next = by_rule.into_iter().chain(by_search).find(|candidate| {
            candidate
                .plan
                .digest()
                .is_ok_and(|digest| !self.tried.contains(&digest))
        });
        match next {
            Some(candidate) => {
                self.proposed += 1;
                if let Ok(digest) = candidate.plan.digest() {
                    self.tried.push(digest);
                }
                Action::Finish(Ok(Proposal {
                    plan: Box::new(candidate.plan),
                    adaptation: candidate.adaptation,
                }))
            }
            None => Action::Finish(Err(GaveUp {
                reason: "no rule answers this finding and the search is exhausted".to_owned(),
            })),
        }
    }
}

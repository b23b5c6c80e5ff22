//! The fixer: from a finding to the next plan worth trying, cheapest rung first.
//!
//! The ladder is rules, those that were learnt after those that were shipped, then search, then a language model where
//! there is one. [`Frontier`] holds the first two and goes on from the plan that came furthest; a [`Dialogue`] is the
//! third, begun when they are exhausted or their budget is.

use portwright_core::{Digest, Finding, InterfaceCard, PortPlan};
use portwright_knowledge::{rules::learnt::LearntRule, search::Frontier};
use portwright_prompts::fixer::Tried;
use serde::{Deserialize, Serialize};

use crate::{
    dialogue::{Advisor, Case, Dialogue, Next, Topic, outcome},
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
    advisor: Option<Advisor>,
    dialogue: Option<Dialogue>,
    /// The plan that came furthest, the earliest of those, with its finding: what a model is asked about.
    furthest: Option<(Box<PortPlan>, Box<Finding>)>,
    /// What was proposed last.
    proposed: Option<String>,
    tried: Vec<Tried>,
    failed: Vec<Digest>,
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
            advisor,
            dialogue: None,
            furthest: None,
            proposed: None,
            tried: Vec::new(),
            failed: Vec::new(),
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

    /// Takes note of a plan that failed.
    fn observe(
        &mut self,
        plan: Box<PortPlan>,
        finding: Box<Finding>,
    ) -> Action<<Self as Agent>::Finished> {
        self.frontier.observe(&self.card, &plan, &finding);
        self.failed.extend(crate::dialogue::digest(&plan));
        let tried = Tried {
            change: self
                .proposed
                .take()
                .unwrap_or_else(|| "nothing yet: the first plan".to_owned()),
            outcome: outcome(&finding),
        };
        if let Some(proposal) = self.climb() {
            self.tried.push(tried);
            self.further(plan, finding);
            return Action::Finish(Ok(proposal));
        }
        if let Some(dialogue) = &mut self.dialogue {
            let next = dialogue.failed(&self.card, &plan, &finding, tried);
            return self.carry(next);
        }
        self.tried.push(tried);
        self.further(plan, finding);
        self.consult()
    }

    fn further(&mut self, plan: Box<PortPlan>, finding: Box<Finding>) {
        let before = self.furthest.as_ref().map(|(_, known)| known.stage);
        if before.is_none_or(|before| finding.stage > before) {
            self.furthest = Some((plan, finding));
        }
    }

    /// The next plan of rules and search, while their budget lasts.
    fn climb(&mut self) -> Option<Proposal> {
        if self.left == 0 || self.stopped.is_some() {
            return None;
        }
        let candidate = self.frontier.advance()?;
        self.left -= 1;
        self.proposed = Some(candidate.adaptation.provenance.reason.clone());
        Some(Proposal {
            plan: Box::new(candidate.plan),
            adaptation: candidate.adaptation,
        })
    }

    /// Begins the dialogue with the model.
    fn consult(&mut self) -> Action<<Self as Agent>::Finished> {
        let (Some(advisor), Some((plan, finding))) = (self.advisor.clone(), self.furthest.clone())
        else {
            return Action::Finish(Err(self.exhausted()));
        };
        let case = Case {
            topic: Topic::Repair,
            plan,
            finding,
            tried: self.tried.clone(),
            failed: self.failed.clone(),
        };
        let mut dialogue = Dialogue::new(advisor, case);
        let next = dialogue.begin(&self.card);
        self.dialogue = Some(dialogue);
        self.carry(next)
    }

    fn carry(&mut self, next: Next) -> Action<<Self as Agent>::Finished> {
        match next {
            Next::Ask(question) => Action::Consult { question },
            Next::Look(lookup) => Action::Look { lookup },
            Next::Propose(proposal) => {
                self.proposed = Some(proposal.adaptation.provenance.reason.clone());
                Action::Finish(Ok(proposal))
            }
            Next::End(reason) => Action::Finish(Err(GaveUp {
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
        match (observation, &mut self.dialogue) {
            (Observation::Attempted { plan, finding }, _) => self.observe(plan, finding),
            (Observation::BrokeAnother, _) => {
                if let Some(proposal) = self.climb() {
                    return Action::Finish(Ok(proposal));
                }
                let change = self.proposed.take().unwrap_or_default();
                match &mut self.dialogue {
                    Some(dialogue) => {
                        let why = "the change cures this backend and breaks another one";
                        let next = dialogue.rejected(&self.card, change, why);
                        self.carry(next)
                    }
                    None => self.consult(),
                }
            }
            (Observation::Consulted { reply }, Some(dialogue)) => {
                let next = dialogue.consulted(&self.card, reply);
                self.carry(next)
            }
            (Observation::Looked { found }, Some(dialogue)) => {
                let next = dialogue.looked(&self.card, found);
                self.carry(next)
            }
            (other, _) => Action::Finish(Err(GaveUp {
                reason: unexpected(Self::NAME, &other).message,
            })),
        }
    }
}

#[cfg(test)]
mod tests;

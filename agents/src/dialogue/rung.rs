//! The rung of a ladder that a dialogue is: what an agent tried before, the reduction of the failure, and the dialogue
//! once it has begun.

use portwright_core::{Digest, Finding, InterfaceCard, PortPlan};
use portwright_knowledge::reduce::{self, Reduction};
use portwright_prompts::fixer::Tried;
use serde::{Deserialize, Serialize};

use crate::protocol::{Observation, Reproduction};

use super::{Advisor, Case, Dialogue, Next, Topic, digest, outcome};

/// What an agent remembers for the model that it may ask, and the dialogue with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rung {
    topic: Topic,
    advisor: Option<Advisor>,
    /// What the failure needs and what it does not, which the model is told.
    reduction: Option<Reduction>,
    dialogue: Option<Dialogue>,
    /// The plan that came furthest, the earliest of those, with its finding: what the model is asked about.
    furthest: Option<(Box<PortPlan>, Box<Finding>)>,
    /// What the latest plan was made of; absent for the first one.
    change: Option<String>,
    tried: Vec<Tried>,
    failed: Vec<Digest>,
}

impl Rung {
    pub fn new(topic: Topic, advisor: Option<Advisor>) -> Self {
        Self {
            topic,
            advisor,
            reduction: None,
            dialogue: None,
            furthest: None,
            change: None,
            tried: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// The finding of the plan that came furthest, the earliest of those.
    pub fn finding(&self) -> Option<Box<Finding>> {
        self.furthest.as_ref().map(|(_, finding)| finding.clone())
    }

    /// Whether the dialogue has begun.
    pub fn begun(&self) -> bool {
        self.dialogue.is_some()
    }

    /// Takes note of why the next plan is tried.
    pub fn proposes(&mut self, reason: &str) {
        self.change = Some(reason.to_owned());
    }

    /// Takes note of a plan that failed.
    pub fn note(&mut self, plan: &PortPlan, finding: &Finding) {
        self.failed.extend(digest(plan));
        self.tried.push(Tried {
            change: self
                .change
                .take()
                .unwrap_or_else(|| "nothing yet: the first plan".to_owned()),
            outcome: outcome(finding),
        });
        let before = self.furthest.as_ref().map(|(_, known)| known.stage);
        if before.is_none_or(|before| finding.stage > before) {
            self.furthest = Some((Box::new(plan.clone()), Box::new(finding.clone())));
        }
    }

    /// Begins, or goes on with the dialogue after the plan that was noted last; `None` where there is no model.
    pub fn failed(
        &mut self,
        card: &InterfaceCard,
        plan: &PortPlan,
        finding: &Finding,
    ) -> Option<Next> {
        match (&mut self.dialogue, self.tried.last()) {
            (Some(dialogue), Some(tried)) => {
                Some(dialogue.failed(card, plan, finding, tried.clone()))
            }
            _ => self.begin(card),
        }
    }

    /// Begins, or tells the model that its plan is not taken; `None` where there is no model.
    pub fn rejected(&mut self, card: &InterfaceCard, why: &str) -> Option<Next> {
        match &mut self.dialogue {
            Some(dialogue) => {
                let change = self.change.take().unwrap_or_default();
                Some(dialogue.rejected(card, change, why))
            }
            None => self.begin(card),
        }
    }

    /// First the failure is reduced. Nothing is built for it where there is no model that would be told.
    fn begin(&mut self, card: &InterfaceCard) -> Option<Next> {
        self.advisor.as_ref()?;
        let (plan, finding) = self.furthest.as_ref()?;
        let plain = reduce::plain(card, plan, finding);
        self.reduction = Some(Reduction::new(card, plan, &plain, finding));
        self.reduce(card)
    }

    fn reduce(&mut self, card: &InterfaceCard) -> Option<Next> {
        let (_, finding) = self.furthest.as_ref()?;
        match self.reduction.as_mut()?.next(card) {
            Some(variant) => Some(Next::Reproduce(Box::new(Reproduction {
                plan: Box::new(variant.plan),
                finding: finding.clone(),
                without: variant.without,
            }))),
            None => self.ask(card),
        }
    }

    /// Begins the dialogue. It is about the whole plan that fails: what a proposal changes is the port.
    fn ask(&mut self, card: &InterfaceCard) -> Option<Next> {
        let (plan, finding) = self.furthest.clone()?;
        let reduction = self.reduction.as_ref();
        let needless = reduction.map(Reduction::needless);
        let needed = reduction.map(Reduction::needed);
        let case = Case {
            topic: self.topic,
            plan,
            finding,
            needless: needless.unwrap_or_default().to_vec(),
            needed: needed.unwrap_or_default().to_vec(),
            tried: self.tried.clone(),
            failed: self.failed.clone(),
        };
        let mut dialogue = Dialogue::new(self.advisor.clone()?, case);
        let next = dialogue.begin(card);
        self.dialogue = Some(dialogue);
        Some(next)
    }

    /// What the reduction or the dialogue asked for; an observation that neither waits for comes back.
    pub fn told(
        &mut self,
        card: &InterfaceCard,
        observation: Observation,
    ) -> Result<Next, Observation> {
        if let (Observation::Reproduced { met }, Some(reduction)) =
            (&observation, &mut self.reduction)
            && reduction.is_asking()
        {
            reduction.told(*met);
            return self.reduce(card).ok_or(observation);
        }
        match (observation, &mut self.dialogue) {
            (Observation::Consulted { reply }, Some(dialogue)) => {
                Ok(dialogue.consulted(card, reply))
            }
            (Observation::Looked { found }, Some(dialogue)) => Ok(dialogue.looked(card, found)),
            (other, _) => Err(other),
        }
    }
}

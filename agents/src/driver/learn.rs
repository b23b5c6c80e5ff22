//! What a launch takes from the repairs of others, and what it leaves for them.

use portwright_core::{Backend, Finding, PortPlan, Verdict, plan::Source, verdict::BackendVerdict};
use portwright_knowledge::rules::learnt::{
    self, LearntRule, Lesson, Outcome, Repair, State, generalise, is_learnt,
};

use crate::protocol::Proposal;

use super::{DriverError, Session, attempt::lasting, launch::Launch};

/// A repair that the search phase confirmed.
pub struct Repaired {
    pub backend: Backend,
    /// What the backend met on the plan before.
    pub finding: Finding,
    pub before: PortPlan,
    pub after: PortPlan,
}

/// The learnt rules that may be tried in this release.
pub fn known(session: &Session) -> Result<Vec<LearntRule>, DriverError> {
    let lessons: Vec<Lesson> = session.ledger.lessons()?;
    let mut rules = learnt::rules(&lessons, session.environment.transformers().unwrap_or(""));
    rules.retain(|rule| rule.state != State::Quarantined);
    Ok(rules)
}

/// Whether a rule that was learnt since answers what one of the backends met in a run that has ended.
pub fn is_outdated(ended: &super::Outcome, learnt: &[LearntRule]) -> bool {
    let news: Vec<&LearntRule> = learnt
        .iter()
        .filter(|rule| !ended.offered.contains(&rule.name))
        .collect();
    ended
        .verdicts
        .iter()
        .filter(|verdict| verdict.verdict != Verdict::Pass)
        .filter_map(|verdict| verdict.finding.as_ref())
        .any(|finding| news.iter().any(|rule| rule.repair.answers(finding)))
}

impl Launch<'_> {
    /// Keeps what came of a learnt rule that did not repair: `verdict` is that of the backend it was tried on, or `None`
    /// where it cured that one and broke another.
    pub fn learn_failed(
        &self,
        learnt: &[LearntRule],
        proposal: &Proposal,
        verdict: Option<&BackendVerdict>,
    ) -> Result<(), DriverError> {
        let provenance = &proposal.adaptation.provenance;
        let Some(rule) = learnt.iter().find(|rule| rule.name == provenance.name) else {
            return Ok(());
        };
        let outcome = match verdict {
            None => Outcome::Broke,
            Some(verdict) if lasting(verdict) => Outcome::DidNotHelp,
            // A busy machine or an absent backend says nothing about the rule.
            Some(_) => return Ok(()),
        };
        let (source, reason) = (provenance.source, provenance.reason.clone());
        self.record_lesson(rule.repair.clone(), outcome, source, reason)
    }

    /// Keeps the repairs that hold for any type, with the word of the fresh build on each.
    pub fn learn_verified(
        &self,
        repairs: &[Repaired],
        fresh: &[BackendVerdict],
    ) -> Result<(), DriverError> {
        for repaired in repairs {
            let Some((repair, source, reason)) =
                generalise(&repaired.finding, &repaired.before, &repaired.after)
            else {
                continue;
            };
            let Some(verdict) = fresh.iter().find(|v| v.backend == repaired.backend) else {
                continue;
            };
            let outcome = match verdict.verdict {
                Verdict::Pass => Outcome::Cured,
                _ if lasting(verdict) => Outcome::Broke,
                _ => continue,
            };
            if outcome == Outcome::Cured && !is_learnt_here(repaired) {
                let what = format!(
                    "{}: what repaired it is learnt as {}",
                    repaired.backend,
                    repair.name()
                );
                self.steps.decided("driver", what)?;
            }
            self.record_lesson(repair, outcome, source, reason)?;
        }
        Ok(())
    }

    fn record_lesson(
        &self,
        repair: Repair,
        outcome: Outcome,
        source: Source,
        reason: String,
    ) -> Result<(), DriverError> {
        let session = self.steps.session;
        let lesson = Lesson {
            repair,
            outcome,
            run: self.steps.run.clone(),
            model_type: self.request.target.model_type.as_str().to_owned(),
            library_version: session.environment.transformers().unwrap_or("").to_owned(),
            source,
            reason,
        };
        session.ledger.record_lesson(&self.steps.run, &lesson)?;
        Ok(())
    }
}

/// Whether a learnt rule made the repair.
fn is_learnt_here(repaired: &Repaired) -> bool {
    let mut names = repaired.after.adaptations.iter().rev();
    names
        .next()
        .is_some_and(|adaptation| is_learnt(&adaptation.provenance.name))
}

//! One case taken up the ladder.

use portwright_core::{
    PortPlan, RunId, Verdict,
    event::Event,
    plan::{Adaptation, Source},
};
use portwright_knowledge::rules::learnt::is_learnt;
use serde::{Deserialize, Serialize};

use crate::driver::{self, DriverError, Outcome, Request, Session};

use super::case::Case;

/// The rungs, from the cheapest to the dearest. A repair of several changes stands on the dearest of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// A rule that is shipped.
    Rule,
    /// A rule that was learnt from a verified repair.
    Learnt,
    /// The search over configuration, inputs and exports.
    Search,
    /// A language model.
    Model,
}

/// What the ladder made of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Climb {
    pub run: RunId,
    /// Whether the failure was met again. One that was not measures nothing.
    pub met: bool,
    /// Whether the case's backend passes now, by the judge's word on a fresh build.
    pub repaired: bool,
    /// Where the repair came from; absent where there is none.
    pub rung: Option<Rung>,
    /// Plans proposed.
    pub proposals: u32,
    /// Tokens of the model's questions and answers.
    pub tokens: u64,
    /// Questions to the model.
    pub questions: u32,
    /// What they cost; absent where nothing was asked, or where the model's price is not known.
    pub dollars: Option<f64>,
    /// Seconds from the beginning of the run to its end; a run that was cut off counts the pause too.
    pub seconds: f64,
    /// CPU seconds of the jobs that were really done.
    pub cpu_seconds: f64,
    /// The signature of what is left; absent after a repair.
    pub left: Option<String>,
}

/// Has the ladder repair a case. `request` is a launch of the case's plan on the case's backend.
pub async fn climb(
    session: &Session,
    case: &Case,
    request: &Request,
) -> Result<Climb, DriverError> {
    let outcome = driver::run(session, request).await?;
    let asked = asked(session, &outcome.run)?;
    Ok(Climb {
        seconds: seconds(session, &outcome.run)?,
        cpu_seconds: outcome.cpu_seconds.values().sum(),
        tokens: asked.tokens,
        questions: asked.questions,
        dollars: asked.dollars,
        ..made(case, outcome)
    })
}

fn made(case: &Case, outcome: Outcome) -> Climb {
    let met = outcome.met.iter().any(|met| case.is_met_by(&met.finding));
    let verdict = outcome.verdicts.iter().find(|v| v.backend == case.backend);
    let passes = verdict.is_some_and(|v| v.verdict == Verdict::Pass);
    let left = verdict
        .and_then(|verdict| verdict.finding.as_ref())
        .map(|finding| finding.signature.0.clone());
    let plan = outcome.plan.as_ref().filter(|_| passes && met);
    Climb {
        met,
        repaired: passes && met,
        rung: plan.and_then(|plan| rung(&case.plan, plan)),
        proposals: outcome.proposals,
        left,
        run: outcome.run,
        tokens: 0,
        questions: 0,
        dollars: None,
        seconds: 0.0,
        cpu_seconds: 0.0,
    }
}

/// How long a run took, by the ledger: one that was finished before is not looked up in no time.
fn seconds(session: &Session, run: &RunId) -> Result<f64, DriverError> {
    let run = session.ledger.run(run)?;
    let milliseconds = run.and_then(|run| Some(run.finished_ms?.saturating_sub(run.started_ms)));
    Ok(milliseconds.unwrap_or(0) as f64 / 1e3)
}

/// The dearest rung among the adaptations that a repair has brought.
fn rung(before: &PortPlan, after: &PortPlan) -> Option<Rung> {
    let new = |adaptation: &&Adaptation| !before.adaptations.contains(adaptation);
    after
        .adaptations
        .iter()
        .filter(new)
        .filter_map(|adaptation| match adaptation.provenance.source {
            Source::Rule if is_learnt(&adaptation.provenance.name) => Some(Rung::Learnt),
            Source::Rule => Some(Rung::Rule),
            Source::Search => Some(Rung::Search),
            Source::Model => Some(Rung::Model),
            Source::Person => None,
        })
        .max()
}

#[derive(Default)]
struct Asked {
    questions: u32,
    tokens: u64,
    dollars: Option<f64>,
}

/// What a run has asked a model.
fn asked(session: &Session, run: &RunId) -> Result<Asked, DriverError> {
    let mut asked = Asked::default();
    for record in session.ledger.events(run)? {
        if let Event::Consulted {
            tokens, dollars, ..
        } = record.event
        {
            asked.questions += 1;
            asked.tokens += tokens;
            if let Some(dollars) = dollars {
                *asked.dollars.get_or_insert(0.0) += dollars;
            }
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{
        Backend, ModelType, Stage, SweepId,
        plan::{AdaptationKind, Provenance},
        verdict::BackendVerdict,
    };
    use portwright_knowledge::propose::{ProposeOptions, propose};

    use super::*;
    use crate::{driver::Met, suite::Split, testing};

    const MET: &str = "guard";

    fn case() -> Case {
        let plan = propose(&testing::card(), &ProposeOptions::default()).unwrap();
        let finding = testing::finding(Stage::Export, Some(Backend::ONNXRUNTIME), MET);
        let sweep = SweepId::new("sweep");
        Case::new(
            Split::HeldOut,
            "tiny",
            Backend::ONNXRUNTIME,
            plan,
            &finding,
            &sweep,
        )
    }

    fn adapted(plan: &PortPlan, by: &[(Source, &str)]) -> PortPlan {
        let mut plan = plan.clone();
        plan.adaptations = by
            .iter()
            .map(|(source, name)| Adaptation {
                kind: AdaptationKind::Setting {
                    key: (*name).to_owned(),
                },
                provenance: Provenance {
                    source: *source,
                    name: (*name).to_owned(),
                    answers: MET.to_owned(),
                    reason: String::new(),
                },
            })
            .collect();
        plan
    }

    /// A launch of the case that met `met` and ended with `verdict` on a plan adapted `by` these.
    fn ended(met: &str, verdict: Verdict, by: &[(Source, &str)]) -> Climb {
        let case = case();
        let finding = |phrase| *testing::finding(Stage::Export, Some(case.backend), phrase);
        let outcome = Outcome {
            run: RunId::new("run"),
            model_type: ModelType::new("tiny"),
            library_version: "5.20.2".into(),
            verdicts: vec![BackendVerdict {
                backend: case.backend,
                verdict,
                evidence: None,
                finding: (verdict != Verdict::Pass).then(|| finding("what is left")),
            }],
            generation: Vec::new(),
            branch: None,
            commit: None,
            exercised: Vec::new(),
            components: Vec::new(),
            whole: None,
            cpu_seconds: BTreeMap::new(),
            peak_resident_bytes: 0,
            plan: Some(adapted(&case.plan, by)),
            met: vec![Met {
                plan: case.plan.clone(),
                finding: finding(met),
            }],
            proposals: 2,
            offered: Vec::new(),
            reused: false,
        };
        made(&case, outcome)
    }

    #[test]
    fn a_repair_stands_on_the_dearest_rung_that_it_needed() {
        let rung = |by: &[(Source, &str)]| ended(MET, Verdict::Pass, by).rung;
        let (rule, learnt) = ((Source::Rule, "opset"), (Source::Rule, "learnt-1"));
        let (search, model) = ((Source::Search, "config"), (Source::Model, "a-model"));
        assert_eq!(rung(&[rule]), Some(Rung::Rule));
        assert_eq!(rung(&[rule, learnt]), Some(Rung::Learnt));
        assert_eq!(rung(&[search, rule]), Some(Rung::Search));
        assert_eq!(rung(&[rule, model, search]), Some(Rung::Model));
    }

    #[test]
    fn what_does_not_pass_is_not_repaired_and_says_what_is_left() {
        let climb = ended(MET, Verdict::Fail, &[(Source::Rule, "opset")]);
        assert!(climb.met && !climb.repaired);
        assert_eq!(climb.rung, None);
        assert_eq!(climb.left.as_deref(), Some("what is left"));
    }

    #[test]
    fn a_pass_without_the_failure_is_no_repair() {
        let climb = ended("another", Verdict::Pass, &[]);
        assert!(!climb.met && !climb.repaired);
    }
}

//! Best-first search over failed plans: it goes on from the plan that came furthest.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
};

use portwright_core::{Digest, Finding, InterfaceCard, PortPlan, Stage, plan::Source};
use serde::{Deserialize, Serialize};

use super::{Candidate, candidates, recipe, same_recipe, stated::STATED};
use crate::rules::{self, learnt, learnt::LearntRule};

/// Plans with one finding that are still taken up; after more of them the changes evidently do not touch its cause.
const SAME: usize = 3;

/// Every so many plans the search leaves the newest error and goes on from the plan with the fewest changes.
const BACK: usize = 4;

/// A failed plan and what is still to be tried from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Node {
    /// The stage it reached; further is better.
    reached: Stage,
    /// How far it came in the code, within the stage.
    place: Vec<u32>,
    /// Whether an exporter named an operator that it cannot write.
    #[serde(default)]
    unwritten: bool,
    /// Whether its last change was one that an error asked for outright: what comes of it is a step further, even where
    /// the next error is of the same stage.
    stated: bool,
    /// How many errors on the way to it were left behind for one that was not met before; more is better.
    progress: usize,
    /// How many changes it is away from the first plan; nearer is better.
    depth: usize,
    waiting: VecDeque<Candidate>,
}

/// What was tried and what is worth trying.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Frontier {
    nodes: Vec<Node>,
    tried: Vec<Digest>,
    /// How often each stage and signature was met.
    met: BTreeMap<String, usize>,
    /// The progress of the plan from which the latest one was made.
    from: usize,
    /// The stage that the plan reached from which the latest one was made.
    #[serde(default)]
    from_stage: Option<Stage>,
    advances: usize,
    /// Rules that come after the seed rules and before the search.
    #[serde(default)]
    learnt: Vec<LearntRule>,
}

impl Node {
    /// Whether one demand of the configuration leads to the next. A configuration is checked before a model is made of
    /// it, so the next demand is met at an earlier place in the code than what the first one cured.
    fn goes_on_surely(&self) -> bool {
        self.reached == Stage::Instantiate && self.stated && asks(&self.waiting)
    }

    /// Whether a rule replaces the one operator that is missing. Two exporters fail at unlike places, whose lines say
    /// nothing of which came further; all but this operator is written.
    fn is_nearly_written(&self) -> bool {
        let next = self.waiting.front();
        self.unwritten && next.is_some_and(|next| next.adaptation.provenance.source == Source::Rule)
    }
}

impl Frontier {
    /// The plan to go on from: the one that came furthest, or, where the newest error is not followed, the nearest to the
    /// first of those that reached the same stage.
    fn best(&self, follow: bool) -> Option<usize> {
        let open = self.nodes.iter().enumerate();
        open.filter(|(_, node)| !node.waiting.is_empty())
            .max_by_key(|(_, node)| {
                let progress = if follow { node.progress } else { 0 };
                let place: &[u32] = if follow { &node.place } else { &[] };
                let depth = Reverse(node.depth);
                let sure = follow && (node.goes_on_surely() || node.is_nearly_written());
                (node.reached, sure, place, progress, node.stated, depth)
            })
            .map(|(index, _)| index)
    }

    /// A frontier that also knows rules which were learnt.
    pub fn with_rules(learnt: Vec<LearntRule>) -> Self {
        Self {
            learnt,
            ..Self::default()
        }
    }

    /// Takes note that `plan` met `finding`, and of what to try from there: rules first, those that were learnt after
    /// those that were shipped, then the search.
    pub fn observe(&mut self, card: &InterfaceCard, plan: &PortPlan, finding: &Finding) {
        self.tried.extend(recipe(plan));
        let times = self
            .met
            .entry(format!("{}: {}", finding.stage, finding.signature))
            .or_default();
        *times += 1;
        let stated = plan
            .adaptations
            .last()
            .is_some_and(|last| last.provenance.name == STATED);
        let progress = self.from + usize::from(*times == 1 || stated);
        // One error after the other that asks for the next thing is progress, even in the same words.
        if *times > SAME && !stated {
            return;
        }
        let mut waiting = VecDeque::from(rules::candidates(card, plan, finding));
        waiting.extend(learnt::candidates(&self.learnt, card, plan, finding));
        for candidate in candidates(card, plan, finding, &self.tried) {
            // What a rule says already is not tried a second time under the name of the search.
            let known = |rule: &Candidate| same_recipe(&rule.plan, &candidate.plan);
            if !waiting.iter().any(known) {
                waiting.push_back(candidate);
            }
        }
        // A change may need another one with it. Where the error asks for that one outright, the two are one step, and
        // the plan is not left behind for failing earlier than the one that it was made from.
        let reached = match self.from_stage {
            Some(before) if asks(&waiting) => finding.stage.max(before),
            _ => finding.stage,
        };
        self.nodes.push(Node {
            reached,
            place: place(finding),
            unwritten: is_unwritten(finding),
            stated,
            progress,
            depth: plan.adaptations.len(),
            waiting,
        });
    }

    /// The next plan to try; `None` when nothing is left.
    pub fn advance(&mut self) -> Option<Candidate> {
        self.advances += 1;
        loop {
            // A plan with several faults shows one after the other, so the newest error is followed. It may also come of
            // a wrong turn, so now and then the search goes on near its beginning, unless the error asks outright for the
            // next thing.
            let newest = self.best(true)?;
            let turn = self.advances.is_multiple_of(BACK) && !asks(&self.nodes[newest].waiting);
            let best = if turn { self.best(false)? } else { newest };
            let node = &mut self.nodes[best];
            self.from = node.progress;
            self.from_stage = Some(node.reached);
            let candidate = node.waiting.pop_front()?;
            let digest = recipe(&candidate.plan);
            if let Some(digest) = digest.filter(|digest| !self.tried.contains(digest)) {
                self.tried.push(digest);
                return Some(candidate);
            }
        }
    }
}

/// Whether the error asks outright for the next of these changes.
fn asks(waiting: &VecDeque<Candidate>) -> bool {
    let next = waiting.front();
    next.is_some_and(|next| next.adaptation.provenance.name == STATED)
}

fn is_unwritten(finding: &Finding) -> bool {
    let error = finding.error.as_ref();
    error.is_some_and(|error| error.exception == "UnsupportedOperatorError")
}

/// The lines at which the failed call stood, outermost first. Statements are executed in their order, so of two failures
/// in one function that on the later line came further, and where both stand in one call, the callee decides.
fn place(finding: &Finding) -> Vec<u32> {
    let frames = finding.error.iter().flat_map(|error| &error.frames);
    frames.map(|frame| frame.line).collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature,
        job::{Frame, JobError},
        plan::Provenance,
    };

    use super::*;
    use crate::search::{candidate::searched, fixtures};

    fn failed(lines: &[u32]) -> Vec<u32> {
        let frames = lines.iter().map(|line| Frame {
            file: "modeling.py".into(),
            line: *line,
            function: "forward".into(),
            ..Frame::default()
        });
        place(&Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: String::new(),
            error: Some(JobError {
                frames: frames.collect(),
                ..JobError::default()
            }),
            hint: None,
        })
    }

    #[test]
    fn a_later_line_and_a_deeper_call_came_further() {
        assert!(failed(&[10, 25]) > failed(&[10, 20, 7]));
        assert!(failed(&[10, 20, 7]) > failed(&[10, 20]));
        assert!(failed(&[11]) > failed(&[10, 99]));
    }

    #[test]
    fn what_an_error_asks_for_outright_is_tried_before_the_search_turns_back() {
        let node = |depth: usize, axis: &str| {
            let finding = fixtures::met(Stage::Forward, "ValueError", "x", "x");
            let next = searched(axis, &finding, format!("{depth}"));
            let plan = fixtures::prompt("", "");
            Node {
                reached: Stage::Forward,
                place: vec![u32::try_from(depth).unwrap()],
                unwritten: false,
                stated: false,
                progress: 0,
                depth,
                waiting: VecDeque::from([Candidate::setting(plan, "any", next)]),
            }
        };
        let turned = |axis: &str| {
            let mut frontier = Frontier {
                nodes: vec![node(0, "dims"), node(5, axis)],
                advances: BACK - 1,
                ..Frontier::default()
            };
            frontier.advance().unwrap().adaptation.provenance.reason
        };
        assert_eq!(turned(STATED), "5");
        assert_eq!(turned("defaults"), "0");
    }

    #[test]
    fn a_missing_operator_that_a_rule_replaces_comes_before_a_failure_at_a_later_line() {
        let node = |exception: &str, line: u32, source: Source| {
            let provenance = Provenance {
                source,
                name: "any".into(),
                answers: "x".into(),
                reason: "x".into(),
            };
            let plan = fixtures::prompt("", "");
            let waiting = VecDeque::from([Candidate::setting(plan, "export", provenance)]);
            let finding = fixtures::met(Stage::Export, exception, "x", "x");
            Node {
                reached: Stage::Export,
                place: vec![line],
                unwritten: is_unwritten(&finding),
                stated: false,
                progress: 0,
                depth: 0,
                waiting,
            }
        };
        const MISSING: &str = "UnsupportedOperatorError";
        assert!(node(MISSING, 1, Source::Rule).is_nearly_written());
        assert!(!node(MISSING, 1, Source::Search).is_nearly_written());
        assert!(!node("RuntimeError", 9, Source::Rule).is_nearly_written());
        let mut frontier = Frontier::default();
        frontier.nodes.push(node("RuntimeError", 9, Source::Search));
        frontier.nodes.push(node(MISSING, 1, Source::Rule));
        assert_eq!(
            frontier.advance().unwrap().adaptation.provenance.source,
            Source::Rule
        );
    }
}

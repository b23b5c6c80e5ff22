//! Reduction of a failure: which settings of a plan the failure is met without.
//!
//! This is delta debugging (`ddmin`) over a plan. What may be left out or reset is divided into groups of one sort each.
//! A group is tried as a whole, then its halves, then their halves down to single settings; what the failure is met
//! without stays out of the following tries. [`Reduction`] only says which plan to try next and is told whether the same
//! failure was met on it: it does no input or output, and can be written to disk between two steps.

mod part;

use std::collections::VecDeque;

use portwright_core::{Digest, Finding, InterfaceCard, PortPlan};
use serde::{Deserialize, Serialize};

use crate::propose::{ProposeOptions, plainer, propose};

use part::Part;

/// The most plans that are tried for one failure. Each is as dear as the failure itself.
pub const TRIES: u32 = 6;

/// A smaller plan, on which the failure may be met too.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub plan: PortPlan,
    /// The keys of what it does without, more than the smallest plan before it.
    pub without: Vec<String>,
}

/// Settings that are taken away together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Set {
    parts: Vec<Part>,
    /// The number of the division that it comes of; its other half has the same one.
    division: u32,
    /// Whether the failure was seen not to be met without both halves.
    unmet: bool,
}

/// The reduction of one failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reduction {
    /// The smallest plan on which the failure is known to be met.
    smallest: Box<PortPlan>,
    needless: Vec<String>,
    needed: Vec<String>,
    waiting: VecDeque<Set>,
    /// What was asked last, as long as it is not answered.
    asked: Option<(Set, Box<PortPlan>)>,
    tried: Vec<Digest>,
    left: u32,
    divisions: u32,
}

impl Reduction {
    /// Begins with `plan`, which met `finding`. Configuration overrides go back to what they are in `reference`.
    pub fn new(
        card: &InterfaceCard,
        plan: &PortPlan,
        reference: &PortPlan,
        finding: &Finding,
    ) -> Self {
        let mut reduction = Self {
            smallest: Box::new(plan.clone()),
            needless: Vec::new(),
            needed: Vec::new(),
            waiting: VecDeque::new(),
            asked: None,
            tried: plan.digest().into_iter().collect(),
            left: TRIES,
            divisions: 0,
        };
        // A limit of time is met again only by waiting as long once more.
        if !finding.timed_out() {
            for parts in part::groups(card, plan, reference, finding) {
                reduction.wait_with(vec![parts], false);
            }
        }
        reduction
    }

    /// The next plan to try; `None` where nothing is left to try, or no tries.
    pub fn next(&mut self, card: &InterfaceCard) -> Option<Variant> {
        while self.left > 0 {
            let set = self.waiting.pop_front()?;
            let plan = part::without(card, &self.smallest, &set.parts);
            let new = plan.and_then(|plan| {
                let digest = plan.digest().ok()?;
                (!self.tried.contains(&digest)).then_some((plan, digest))
            });
            let Some((plan, digest)) = new else {
                // Not valid, or known: a part of it may be neither.
                self.divide(set.parts, false);
                continue;
            };
            self.left -= 1;
            self.tried.push(digest);
            let without = keys(&set.parts);
            self.asked = Some((set, Box::new(plan.clone())));
            return Some(Variant { plan, without });
        }
        None
    }

    /// Whether the failure was met on the plan that was asked about last. An answer to nothing is passed over.
    pub fn told(&mut self, met: bool) {
        let Some((set, plan)) = self.asked.take() else {
            return;
        };
        if !met {
            return self.divide(set.parts, true);
        }
        self.smallest = plan;
        self.needless.extend(keys(&set.parts));
        // The failure was not met without both halves, so the other half holds something that it needs.
        let other = |waiting: &Set| waiting.unmet && waiting.division == set.division;
        if let Some(other) = self.waiting.iter().position(other)
            && let Some(other) = self.waiting.remove(other)
        {
            self.divide(other.parts, true);
        }
    }

    /// Whether an answer is waited for.
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// The smallest plan on which the failure is known to be met.
    pub fn smallest(&self) -> &PortPlan {
        &self.smallest
    }

    /// The keys of the settings that the failure is met without, all of them left out or reset together.
    pub fn needless(&self) -> &[String] {
        &self.needless
    }

    /// The keys of single settings without which the failure was not met.
    pub fn needed(&self) -> &[String] {
        &self.needed
    }

    /// Goes on with halves of what could not be taken away; `unmet` where that is because the failure was not met.
    fn divide(&mut self, mut parts: Vec<Part>, unmet: bool) {
        if parts.len() > 1 {
            let second = parts.split_off(parts.len() / 2);
            self.wait_with(vec![parts, second], unmet);
        } else if unmet {
            self.needed.extend(keys(&parts));
        }
    }

    fn wait_with(&mut self, halves: Vec<Vec<Part>>, unmet: bool) {
        self.divisions += 1;
        let division = self.divisions;
        let sets = halves.into_iter().filter(|parts| !parts.is_empty());
        self.waiting.extend(sets.map(|parts| Set {
            parts,
            division,
            unmet,
        }));
    }
}

fn keys(parts: &[Part]) -> Vec<String> {
    parts.iter().map(Part::key).collect()
}

/// The plan whose configuration a reduction of `plan` goes back to: the one that would be proposed first. Where that is
/// this very configuration, its small sizes are in doubt themselves, and sizes that suit each other as the library's own
/// do stand against them. On a backend that comparison would cost more than it tells.
pub fn plain(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> PortPlan {
    let options = ProposeOptions {
        class: Some(plan.class.clone()),
        ..ProposeOptions::default()
    };
    // For a class that nothing can be proposed for, a plan has its own settings only.
    let proposed = propose(card, &options).unwrap_or_else(|_| plan.clone());
    if finding.backend.is_none() && proposed.config == plan.config {
        let sized = plainer(card, plan).pop();
        return sized.map_or(proposed, |(_, sized)| sized);
    }
    proposed
}

#[cfg(test)]
mod tests;

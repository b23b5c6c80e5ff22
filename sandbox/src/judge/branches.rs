//! Branches of modelling code, as the job of the reference saw them: what no input set took becomes a limit, and what
//! would take it a wish for further sets.
//!
//! The answer is a job's and read as hostile: it is bounded, its texts are cut and hold no control characters, and its
//! wishes are taken only where the plan has such a dimension or input. It can make a pass weaker and never stronger: a
//! job that hides a branch hides a limit, which is why the job runs the library's code and none that was generated.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{
    job::Specialised,
    limit::{Limit, LimitKind},
    plan::PortPlan,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// As many as the worker tells of, at most.
const MOST_UNTAKEN: usize = 30;
const MOST_UNFOLLOWED: usize = 30;
const MOST_SETTLED: usize = 4_000;
const MOST_SPECIALISED: usize = 30;
/// Characters of a text from a job.
const LONGEST: usize = 200;
/// Further sets that wishes may ask for, and values of one input in one set.
const MOST_SETS: usize = 4;
const MOST_VALUES: usize = 16;
const LARGEST_SIZE: u64 = 2_048;

/// What the job says of the branches that the input sets took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// Whether the sets' ways through the code were seen at all.
    pub checked: bool,
    /// Why not.
    pub why: String,
    pub untaken: Vec<Untaken>,
    /// Untaken sides that are not told.
    pub more: u64,
    /// Lines at which nothing is left open: both sides were taken, or no input decides.
    pub settled: BTreeSet<Place>,
    /// Places at which values of the inputs were read in a way that cannot be followed.
    pub unfollowed: Vec<Unfollowed>,
}

/// A line of modelling code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub file: String,
    pub line: u32,
}

/// A side of a branch that no input set took.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untaken {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub function: String,
    pub condition: String,
    /// The value that the condition never had.
    pub side: bool,
    pub wish: Option<Wish>,
}

/// What would take a side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// Sizes by the dimension of the plan.
    pub sizes: BTreeMap<String, u64>,
    /// Values by the input, in the order in which the code compares with them.
    pub ids: BTreeMap<String, Vec<i64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfollowed {
    pub file: String,
    pub line: u32,
    pub function: String,
    pub how: String,
}

/// Why the answer on the branches is none.
#[derive(Debug, Error)]
pub enum BranchesError {
    #[error("the job's answer on branches is malformed")]
    Malformed(#[from] serde_json::Error),
    #[error("the job's answer on branches names more {what} than {most}")]
    TooMany { what: &'static str, most: usize },
}

impl BranchesError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        "this is a defect in Portwright: please report it with the run's events"
    }
}

/// Reads the job's answer, whose texts are made plain and short.
pub fn read(answer: &Value) -> Result<Branches, BranchesError> {
    let mut found = Branches::deserialize(answer)?;
    bounded("untaken sides", found.untaken.len(), MOST_UNTAKEN)?;
    bounded("unfollowed places", found.unfollowed.len(), MOST_UNFOLLOWED)?;
    bounded("settled lines", found.settled.len(), MOST_SETTLED)?;
    found.why = plain(&found.why);
    for side in &mut found.untaken {
        for text in [&mut side.file, &mut side.function, &mut side.condition] {
            *text = plain(text);
        }
    }
    for place in &mut found.unfollowed {
        for text in [&mut place.file, &mut place.function, &mut place.how] {
            *text = plain(text);
        }
    }
    Ok(found)
}

fn bounded(what: &'static str, count: usize, most: usize) -> Result<(), BranchesError> {
    if count > most {
        return Err(BranchesError::TooMany { what, most });
    }
    Ok(())
}

fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(LONGEST).collect()
}

/// What the branches leave open.
pub fn limits(branches: &Branches) -> Vec<Limit> {
    if !branches.checked {
        let why = &branches.why;
        return vec![Limit::new(
            LimitKind::NotChecked,
            format!("Which branches of the model the inputs took could not be seen: {why}."),
        )];
    }
    let untaken = branches.untaken.iter().map(|side| {
        let Untaken {
            condition,
            side,
            file,
            line,
            function,
            ..
        } = side;
        let sentence =
            format!("No input set made `{condition}` {side} ({file}:{line}, in {function}).");
        Limit::new(LimitKind::Branch, sentence)
    });
    let unfollowed = branches.unfollowed.iter().map(|place| {
        let Unfollowed {
            file,
            line,
            function,
            how,
        } = place;
        let sentence = format!(
            "Values of the inputs are read by {how} ({file}:{line}, in {function}), and what the model chooses by \
             them there was not followed."
        );
        Limit::new(LimitKind::NotChecked, sentence)
    });
    let mut limits: Vec<Limit> = untaken.chain(unfollowed).collect();
    if branches.more > 0 {
        let sentence = format!(
            "{} more sides of branches were taken by no input set.",
            branches.more
        );
        limits.push(Limit::new(LimitKind::Branch, sentence));
    }
    limits
}

/// The limits of what a conversion made a constant of. A place where the sets took both sides, or that no input decides,
/// is none: had the constant been wrong, the values would differ.
pub fn specialised(places: &[Specialised], branches: &Branches) -> Vec<Limit> {
    let open: BTreeSet<(String, u32, String)> = places
        .iter()
        .filter(|place| {
            !branches.settled.contains(&Place {
                file: place.file.clone(),
                line: place.line,
            })
        })
        .map(|place| (plain(&place.file), place.line, plain(&place.why)))
        .collect();
    let mut lines = BTreeSet::new();
    let mut limits = Vec::new();
    let mut more = 0_usize;
    for (file, line, why) in open {
        if !lines.insert((file.clone(), line)) {
            continue;
        }
        if limits.len() < MOST_SPECIALISED {
            let sentence = format!("The conversion kept one side or value at {file}:{line}: {why}");
            limits.push(Limit::new(LimitKind::Specialised, sentence));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let sentence = format!("The conversion kept one side or value at {more} more places.");
        limits.push(Limit::new(LimitKind::Specialised, sentence));
    }
    limits
}

/// What further input sets are wished for: at most four, and only of dimensions and inputs that the plan has.
///
/// Wishes that do not contradict each other share a set, since a condition may stand inside another.
pub fn wishes(branches: &Branches, plan: &PortPlan) -> Vec<Wish> {
    let mut sets: Vec<Wish> = Vec::new();
    for wish in branches
        .untaken
        .iter()
        .filter_map(|side| side.wish.as_ref())
    {
        let Some(wish) = possible(wish, plan) else {
            continue;
        };
        if let Some(set) = sets.iter_mut().find(|set| fits(set, &wish)) {
            add(set, wish);
        } else if sets.len() < MOST_SETS {
            sets.push(wish);
        }
    }
    sets
}

fn possible(wish: &Wish, plan: &PortPlan) -> Option<Wish> {
    let sizes: BTreeMap<_, _> = (wish.sizes.iter())
        .filter(|(name, size)| {
            // A dimension without another size is one that the model holds fixed.
            let free = plan.dims.get(*name).is_some_and(|dim| dim.other.is_some());
            free && (1..=LARGEST_SIZE).contains(*size)
        })
        .map(|(name, size)| (name.clone(), *size))
        .collect();
    let ids: BTreeMap<_, _> = (wish.ids.iter())
        .filter(|(name, values)| {
            !values.is_empty() && plan.inputs.iter().any(|input| input.name == **name)
        })
        .map(|(name, values)| {
            let values = values.iter().copied().take(MOST_VALUES).collect();
            (name.clone(), values)
        })
        .collect();
    let wish = Wish { sizes, ids };
    (wish != Wish::default()).then_some(wish)
}

fn fits(set: &Wish, wish: &Wish) -> bool {
    let alike = |(name, size): (&String, &u64)| set.sizes.get(name).is_none_or(|held| held == size);
    let room = |(name, values): (&String, &Vec<i64>)| {
        let held = set.ids.get(name).map_or(0, Vec::len);
        held + values.len() <= MOST_VALUES
    };
    wish.sizes.iter().all(alike) && wish.ids.iter().all(room)
}

fn add(set: &mut Wish, wish: Wish) {
    set.sizes.extend(wish.sizes);
    for (name, values) in wish.ids {
        let held = set.ids.entry(name).or_default();
        // Values that are wished for together stay together.
        if !held.windows(values.len()).any(|part| part == values) {
            held.extend(values);
        }
    }
}

#[cfg(test)]
#[path = "branches_tests.rs"]
mod tests;

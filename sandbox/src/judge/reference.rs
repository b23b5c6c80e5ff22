//! The eager reference, and whether it is worth comparing with.
//!
//! Zero equals zero: a port of a model whose outputs do not vary proves nothing. So a reference is refused unless every
//! floating output is finite, spreads well beyond the tolerance, and the outputs move when the inputs do. An output that no
//! value of an input reaches, such as a table of places, need not move; others have to stand beside it that do.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use portwright_core::{Finding, Limit, LimitKind, Signature, Stage};

use super::{
    inputs::InputSet,
    modalities::{self, Declared},
    outputs::{Lines, OutputError, Outputs, PRECISE_FOLDER, role, whole_moves},
    tolerances::Soundness,
};
use crate::tensor::{ElementType, TensorError};

/// The widest spread that is worth comparing. Beyond it signals have grown from layer to layer until rounding decides,
/// and a tolerance in proportion to the spread allows anything.
const WIDEST: f64 = 1e6;

/// A reference that was found sound.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What it was computed on: the drawn sets without the corners that the model does not take.
    pub sets: Vec<InputSet>,
    pub outputs: Outputs,
    /// The same outputs computed with less rounding, where that could be done.
    pub precise: Option<Outputs>,
    /// The floating outputs, by name.
    pub floating: BTreeMap<String, FloatingOutput>,
    /// How far each probed input moved each floating output.
    pub moves: Vec<Moves>,
    /// The floating outputs that no value of an input reaches, and that no probe moves.
    pub untouched: BTreeSet<String>,
    /// What agreeing with this reference leaves open.
    pub limits: Vec<Limit>,
}

/// What is known of one floating output.
#[derive(Clone, Debug)]
pub struct FloatingOutput {
    pub element: ElementType,
    /// The largest minus the smallest value over the sets that are no corners.
    pub spread: f64,
    /// Over all sets, with the rounding of eager PyTorch.
    pub lines: Lines,
}

impl FloatingOutput {
    /// What a movement must exceed to be one.
    pub fn still(&self) -> f64 {
        Soundness::of(self.element).still(self.spread)
    }
}

/// What the job of the reference says of its run beside its files.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Ran {
    pub declared: Declared,
    /// The outputs that no value of an input reaches.
    pub untouched: Vec<String>,
    /// The corners that the model does not take, each with the error.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// What the model returns that is no tensor, by its place.
    #[serde(default)]
    pub not_tensors: Vec<String>,
    /// How many rows the table has that an input's ids look up, by the input's name.
    #[serde(default)]
    pub tables: BTreeMap<String, i64>,
    /// How the outputs were computed with less rounding: `float64`, or `perturbed` float32.
    #[serde(default)]
    pub precise: Option<String>,
}

/// What a probe moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moves {
    pub input: String,
    /// The place of the probe among the input sets.
    pub set: usize,
    /// How far each floating output moved.
    pub outputs: BTreeMap<String, f64>,
}

impl Reference {
    /// Reads the reference from the work folder of its job, which has ended, and checks it, and that its inputs carry all
    /// that its class declares.
    pub fn read(work: &Path, sets: Vec<InputSet>, ran: &Ran) -> Result<Self, Box<Finding>> {
        modalities::check(&ran.declared, &sets)?;
        let mut sets = sets;
        sets.retain(|set| !(set.corner && ran.refused.contains_key(&set.name)));
        let outputs = Outputs::open(work, &sets).map_err(unreadable)?;
        let precise = match ran.precise {
            Some(_) => Some(Outputs::open_in(work, PRECISE_FOLDER, &sets).map_err(unreadable)?),
            None => None,
        };
        let mut reference = Self::check(outputs, precise, sets, &ran.untouched)?;
        if ran.precise.is_none() {
            reference.limits.push(Limit::new(
                LimitKind::NotChecked,
                "the model could not be computed with less rounding, so a difference is allowed by its size alone",
            ));
        }
        for place in ran.not_tensors.iter().take(MOST_NAMED) {
            reference.limits.push(Limit::new(
                LimitKind::NotPortedOutput,
                format!("`{place}` is no tensor and is not ported"),
            ));
        }
        Ok(reference)
    }

    /// Checks outputs that were computed on `sets`, the first of which is the example. The job says which of them are
    /// `untouched` by the values of the inputs; it is believed where no probe moves them at all. Corners on which the model
    /// has no sound answer are left out.
    pub fn check(
        outputs: Outputs,
        precise: Option<Outputs>,
        sets: Vec<InputSet>,
        untouched: &[String],
    ) -> Result<Self, Box<Finding>> {
        let Sound {
            outputs,
            precise,
            sets,
            limits: unsound,
        } = sound(outputs, precise, sets)?;
        let floating = floating(&outputs, precise.as_ref(), &sets)?;
        finite(&outputs, &sets, &floating)?;
        hollow(&floating)?;
        exploding(&floating)?;
        let moves = moves(&outputs, &sets, &floating).map_err(unreadable)?;
        let still = |name: &String| moves.iter().all(|it| it.outputs.get(name) == Some(&0.0));
        let untouched: BTreeSet<String> =
            untouched.iter().filter(|it| still(it)).cloned().collect();
        moving(&moves, &floating, &untouched)?;
        let mut limits = constant(&outputs, &sets)?;
        limits.extend(unsound);
        Ok(Reference {
            sets,
            outputs,
            precise,
            floating,
            moves,
            untouched,
            limits,
        })
    }
}

impl Reference {
    /// The reference without some of its sets, by their index.
    pub fn without(&self, refused: &BTreeSet<usize>) -> Self {
        let mut left = self.clone();
        let keep = |index: &usize| !refused.contains(index);
        retain(&mut left.sets, keep);
        retain(&mut left.outputs.0, keep);
        if let Some(precise) = &mut left.precise {
            retain(&mut precise.0, keep);
        }
        for output in left.floating.values_mut() {
            output.lines.retain_sets(keep);
        }
        for moves in &mut left.moves {
            moves.set -= refused.range(..moves.set).count();
        }
        left
    }
}

fn retain<T>(of: &mut Vec<T>, keep: impl Fn(&usize) -> bool) {
    let mut index = 0;
    of.retain(|_| {
        index += 1;
        keep(&(index - 1))
    });
}

/// The most names in one list of limits.
const MOST_NAMED: usize = 20;

/// What is left of outputs without the corners that have no sound answer, and what that leaves open.
struct Sound {
    outputs: Outputs,
    precise: Option<Outputs>,
    sets: Vec<InputSet>,
    limits: Vec<Limit>,
}

/// The outputs without the corners on which the model does not answer as it does on the example: with other outputs, or with
/// values that are not finite.
fn sound(
    outputs: Outputs,
    precise: Option<Outputs>,
    sets: Vec<InputSet>,
) -> Result<Sound, Box<Finding>> {
    let mut kept = Vec::with_capacity(sets.len());
    let mut limits = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        let sound = !set.corner || answers(&outputs, index)?;
        if !sound {
            limits.push(Limit::new(
                LimitKind::NotChecked,
                format!(
                    "PyTorch's own outputs on the set `{}` are not finite or other ones than on the example, so nothing was compared there",
                    set.name
                ),
            ));
        }
        kept.push(sound);
    }
    let of = |outputs: Outputs| {
        let both = outputs.0.into_iter().zip(&kept);
        Outputs(both.filter_map(|(set, kept)| kept.then_some(set)).collect())
    };
    let sets = sets.into_iter().zip(&kept);
    let sets = sets.filter_map(|(set, kept)| kept.then_some(set)).collect();
    Ok(Sound {
        outputs: of(outputs),
        precise: precise.map(of),
        sets,
        limits,
    })
}

/// Whether the outputs of a set are those of the example, and finite.
fn answers(outputs: &Outputs, index: usize) -> Result<bool, Box<Finding>> {
    let (Some(example), Some(set)) = (outputs.0.first(), outputs.0.get(index)) else {
        return Ok(false);
    };
    let same = example.len() == set.len()
        && example.iter().all(|(name, output)| {
            set.get(name)
                .is_some_and(|other| other.element == output.element && other.count() > 0)
        });
    if !same {
        return Ok(false);
    }
    for name in example.keys() {
        if !outputs.is_finite(index, name).map_err(unreadable)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The outputs of whole numbers and booleans that nothing moves: a port that bakes them in as they are agrees.
fn constant(outputs: &Outputs, sets: &[InputSet]) -> Result<Vec<Limit>, Box<Finding>> {
    let mut limits = Vec::new();
    for (name, output) in outputs.0.first().into_iter().flatten() {
        if output.element.is_floating() || limits.len() == MOST_NAMED {
            continue;
        }
        if !whole_moves(outputs, sets, name).map_err(unreadable)? {
            limits.push(Limit::new(
                LimitKind::ConstantOutput,
                format!("the whole output `{name}` is the same for all inputs of the same sizes"),
            ));
        }
    }
    Ok(limits)
}

/// How far each probe moves each floating output away from the example.
pub fn moves(
    outputs: &Outputs,
    sets: &[InputSet],
    floating: &BTreeMap<String, FloatingOutput>,
) -> Result<Vec<Moves>, TensorError> {
    let mut moves = Vec::new();
    for (set, input_set) in sets.iter().enumerate() {
        let Some(input) = &input_set.probe else {
            continue;
        };
        let moved = |(name, output): (&String, &FloatingOutput)| {
            Ok((name.clone(), outputs.moved(name, 0, set, output.spread)?))
        };
        moves.push(Moves {
            input: input.clone(),
            set,
            outputs: floating.iter().map(moved).collect::<Result<_, _>>()?,
        });
    }
    Ok(moves)
}

fn floating(
    outputs: &Outputs,
    precise: Option<&Outputs>,
    sets: &[InputSet],
) -> Result<BTreeMap<String, FloatingOutput>, Box<Finding>> {
    let example = outputs.0.first().filter(|example| !example.is_empty());
    let Some(example) = example else {
        return Err(finding(
            "reference has no output",
            "the model returned no tensor".to_owned(),
            "choose a class whose `forward` returns tensors",
        ));
    };
    for (set, tensors) in sets.iter().zip(&outputs.0) {
        let same = tensors.len() == example.len()
            && tensors.iter().all(|(name, tensor)| {
                example
                    .get(name)
                    .is_some_and(|other| other.element == tensor.element)
            });
        if !same {
            return Err(finding(
                "reference outputs vary with the inputs",
                format!(
                    "the model returned [{}] for set `example` and [{}] for set `{}`",
                    names(example.keys()),
                    names(tensors.keys()),
                    set.name
                ),
                "fix the choice with an entry in `call` of the plan",
            ));
        }
    }
    let usual = |index: usize| sets.get(index).is_some_and(|set| !set.corner);
    let mut floating = BTreeMap::new();
    for (name, output) in example {
        if output.element.is_floating() {
            let output = FloatingOutput {
                element: output.element,
                spread: outputs.spread(name, usual).map_err(unreadable)?,
                lines: Lines::measure(outputs, precise, name).map_err(unreadable)?,
            };
            floating.insert(name.clone(), output);
        }
    }
    if floating.is_empty() {
        return Err(finding(
            "reference has no floating output",
            format!("the model returned only [{}]", names(example.keys())),
            "choose a class that returns floating tensors",
        ));
    }
    Ok(floating)
}

fn finite(
    outputs: &Outputs,
    sets: &[InputSet],
    floating: &BTreeMap<String, FloatingOutput>,
) -> Result<(), Box<Finding>> {
    for (index, set) in sets.iter().enumerate() {
        for name in floating.keys() {
            if !outputs.is_finite(index, name).map_err(unreadable)? {
                return Err(finding(
                    format!("reference not finite: output {}", role(name)),
                    format!(
                        "output `{name}` holds values that are not finite for set `{}`",
                        set.name
                    ),
                    "lower `weights.gain` in the plan, or have no row of a mask empty",
                ));
            }
        }
    }
    Ok(())
}

fn hollow(floating: &BTreeMap<String, FloatingOutput>) -> Result<(), Box<Finding>> {
    let hollow: Vec<_> = floating
        .iter()
        .filter(|(_, output)| {
            // A spread that is too wide to subtract is no spread either.
            let least = Soundness::of(output.element).hollow_below();
            !(output.spread > least && output.spread.is_finite())
        })
        .collect();
    let Some((first, _)) = hollow.first() else {
        return Ok(());
    };
    let which = if hollow.len() == floating.len() && hollow.len() > 1 {
        "every output".to_owned()
    } else {
        format!("output {}", role(first))
    };
    let figures: Vec<String> = hollow
        .iter()
        .map(|(name, output)| format!("`{name}` spreads {:.3e}", output.spread))
        .collect();
    Err(finding(
        format!("hollow reference: {which}"),
        format!(
            "outputs that hardly vary prove nothing: {}",
            figures.join(", ")
        ),
        "raise `weights.gain` in the plan, or choose a configuration whose signals survive",
    ))
}

fn exploding(floating: &BTreeMap<String, FloatingOutput>) -> Result<(), Box<Finding>> {
    match floating.iter().find(|(_, output)| output.spread > WIDEST) {
        None => Ok(()),
        Some((name, output)) => Err(finding(
            format!("exploding reference: output {}", role(name)),
            format!(
                "output `{name}` spreads {:.3e}; beyond {WIDEST:.0e} a tolerance in proportion allows anything",
                output.spread
            ),
            "lower `weights.gain` in the plan",
        )),
    }
}

fn moving(
    moves: &[Moves],
    floating: &BTreeMap<String, FloatingOutput>,
    untouched: &BTreeSet<String>,
) -> Result<(), Box<Finding>> {
    let moves_far = |name: &str, moved: f64| {
        floating
            .get(name)
            .is_some_and(|output| moved > output.still())
    };
    if moves.is_empty() {
        return Err(finding(
            "reference has no input to probe",
            "every input of the plan is constant".to_owned(),
            "give at least one input of the plan values that are drawn",
        ));
    }
    for probe in moves {
        if !probe
            .outputs
            .iter()
            .any(|(name, moved)| moves_far(name, *moved))
        {
            let most = probe.outputs.values().copied().fold(0.0, f64::max);
            return Err(finding(
                format!("reference ignores input {}", probe.input),
                format!(
                    "drawing `{}` anew moves no output beyond the tolerance (by {most:.3e} at most)",
                    probe.input
                ),
                "remove the input from the plan, or choose a configuration that uses it",
            ));
        }
    }
    for name in floating.keys().filter(|it| !untouched.contains(*it)) {
        if !moves
            .iter()
            .any(|probe| probe.outputs.get(name).is_some_and(|m| moves_far(name, *m)))
        {
            return Err(finding(
                format!("reference moves with no input: output {}", role(name)),
                format!("no probed input moves output `{name}` beyond the tolerance"),
                "switch the output off with an entry in `call` of the plan, or raise `weights.gain`",
            ));
        }
    }
    Ok(())
}

/// The finding that the reference's outputs cannot be read.
pub(super) fn unreadable(error: impl Into<OutputError>) -> Box<Finding> {
    let error = error.into();
    finding(
        format!("reference outputs: {}", error.phrase()),
        error.to_string(),
        error.hint(),
    )
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

pub(super) fn finding(phrase: impl Into<String>, message: String, hint: &str) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Reference,
        backend: None,
        signature: Signature::phrase(phrase),
        message,
        error: None,
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;

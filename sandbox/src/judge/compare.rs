//! The comparison of a candidate with the reference: one place for all backends.
//!
//! Failures are looked for from the coarse to the fine, so that the finding names the cause and not its consequence: an
//! output that is constant also differs, and saying so first is what points at the repair.

use portwright_core::{
    Backend, Finding, Limit, LimitKind, Signature, Stage,
    verdict::{OutputEvidence, SensitivityEvidence},
};

use super::{
    inputs::InputSet,
    outputs::{Allowed, Line, Output, OutputError, Outputs, Places, apart, role, unequal},
    reference::{FloatingOutput, Moves, Reference, moves},
    tolerances::{Scale, Soundness, Tolerance, Tolerances},
};
use crate::tensor::{Data, TensorError};

/// Of the values of a whole output, the share that may hang on rounding in the reference itself. With more, the output says
/// nothing that a port could be held to.
const UNSETTLED: f64 = 0.02;

/// What the comparison measured on a candidate that agrees.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    pub outputs: Vec<OutputEvidence>,
    pub sensitivity: Vec<SensitivityEvidence>,
    /// What the agreement leaves open.
    pub limits: Vec<Limit>,
}

/// Compares a candidate's outputs with the reference's on every input set.
pub fn compare(
    backend: Backend,
    tolerances: &Tolerances,
    reference: &Reference,
    candidate: &Outputs,
) -> Result<Agreement, Box<Finding>> {
    let case = Comparison {
        backend,
        tolerances,
        sets: &reference.sets,
        reference,
        candidate,
    };
    case.names()?;
    let other_types = case.types()?;
    case.shapes()?;
    case.finite()?;
    case.varies()?;
    let sensitivity = case.sensitivity()?;
    let mut limits = case.whole()?;
    limits.extend(other_types);
    let outputs = case.differences(&mut limits)?;
    Ok(Agreement {
        outputs,
        sensitivity,
        limits,
    })
}

struct Comparison<'a> {
    backend: Backend,
    tolerances: &'a Tolerances,
    sets: &'a [InputSet],
    reference: &'a Reference,
    candidate: &'a Outputs,
}

impl<'a> Comparison<'a> {
    /// Every output of every set, in both.
    fn pairs(&self) -> impl Iterator<Item = (&'a InputSet, &'a str, &'a Output, &'a Output)> {
        let sets = self.sets.iter().enumerate();
        sets.flat_map(|(index, set)| self.of_set(index, set))
    }

    /// Every output of one set, in both.
    fn of_set(
        &self,
        index: usize,
        set: &'a InputSet,
    ) -> impl Iterator<Item = (&'a InputSet, &'a str, &'a Output, &'a Output)> + use<'a> {
        let reference = self.reference.outputs.0.get(index);
        let candidate = self.candidate.0.get(index);
        let both = reference.zip(candidate).into_iter();
        both.flat_map(move |(reference, candidate)| {
            reference.iter().filter_map(move |(name, expected)| {
                let found = candidate.get(name)?;
                Some((set, name.as_str(), expected, found))
            })
        })
    }

    fn names(&self) -> Result<(), Box<Finding>> {
        let counts = [self.reference.outputs.0.len(), self.candidate.0.len()];
        if counts != [self.sets.len(); 2] {
            return self.fail(
                "input sets missing",
                format!(
                    "{} input sets, answered by {} of the reference and {} of the candidate",
                    self.sets.len(),
                    counts[0],
                    counts[1]
                ),
                "run the backend on every input set",
            );
        }
        for (set, (reference, candidate)) in self
            .sets
            .iter()
            .zip(self.reference.outputs.0.iter().zip(&self.candidate.0))
        {
            if let Some(name) = reference.keys().find(|name| !candidate.contains_key(*name)) {
                return self.fail(
                    format!("output missing: {}", role(name)),
                    format!("set `{}` lacks output `{name}`", set.name),
                    "export every output that the model returns",
                );
            }
            if let Some(name) = candidate.keys().find(|name| !reference.contains_key(*name)) {
                return self.fail(
                    "output that the model does not have",
                    format!(
                        "set `{}` has output `{name}`, the reference has not",
                        set.name
                    ),
                    "export the outputs that the model returns, under their names",
                );
            }
        }
        Ok(())
    }

    /// What is floating stays so. Another number of bits is told, since who reads the output meets it.
    fn types(&self) -> Result<Vec<Limit>, Box<Finding>> {
        let mut limits = Vec::new();
        for (set, name, expected, found) in self.pairs() {
            let [given, due] = [found.element.name(), expected.element.name()];
            if expected.element.is_floating() != found.element.is_floating() {
                return self.fail(
                    format!("type differs: output {}", role(name)),
                    format!(
                        "output `{name}` is {given} for set `{}`; the reference's is {due}",
                        set.name,
                    ),
                    "keep the types of the outputs in the export",
                );
            }
            if given != due {
                limits.push(Limit::new(
                    LimitKind::OtherType,
                    format!("the output `{name}` is {given}; PyTorch's is {due}"),
                ));
            }
        }
        Ok(limits)
    }

    fn shapes(&self) -> Result<(), Box<Finding>> {
        let example_sizes = self.sets.first().map(|set| &set.sizes);
        for (set, name, expected, found) in self.pairs() {
            if expected.shape == found.shape {
                continue;
            }
            let other_sizes = example_sizes != Some(&set.sizes);
            let traced = other_sizes
                && self
                    .candidate
                    .0
                    .first()
                    .and_then(|example| example.get(name))
                    .is_some_and(|example| example.shape == found.shape);
            return self.fail(
                if other_sizes {
                    "shape differs on other sizes"
                } else {
                    "shape differs"
                },
                format!(
                    "output `{name}` has shape {:?} for set `{}`; the reference's is {:?}{}",
                    found.shape,
                    set.name,
                    expected.shape,
                    if traced {
                        ": the artefact returns the shape it was traced with"
                    } else {
                        ""
                    }
                ),
                if other_sizes {
                    "export with fixed axes (`dynamic = false`), or with another exporter"
                } else {
                    "try another exporter or opset"
                },
            );
        }
        Ok(())
    }

    fn finite(&self) -> Result<(), Box<Finding>> {
        for (index, set) in self.sets.iter().enumerate() {
            for name in self.reference.floating.keys() {
                let finite = self.candidate.is_finite(index, name);
                if !finite.map_err(|error| self.unreadable(error))? {
                    return self.fail(
                        format!("not finite: output {}", role(name)),
                        format!(
                            "output `{name}` holds values that are not finite for set `{}`; the reference's all are",
                            set.name
                        ),
                        "try another attention implementation or a lower optimisation level",
                    );
                }
            }
        }
        Ok(())
    }

    /// Booleans and whole numbers are decisions: one that differs is wrong by any measure, so they must be equal. Only a
    /// decision that the reference itself takes otherwise in float64 says nothing.
    fn whole(&self) -> Result<Vec<Limit>, Box<Finding>> {
        let mut limits = Vec::new();
        for (index, set) in self.sets.iter().enumerate() {
            for (set, name, expected, found) in self.of_set(index, set) {
                let precise = self.reference.precise.as_ref();
                let precise = precise.and_then(|precise| precise.0.get(index)?.get(name));
                let unequal =
                    unequal(expected, found, precise).map_err(|error| self.unreadable(error))?;
                let few = unequal.unsettled as f64 <= UNSETTLED * expected.count() as f64 + 1.0;
                let wrong = if few {
                    unequal.settled_apart
                } else {
                    unequal.apart
                };
                if wrong > 0 {
                    return self.fail(
                        format!("whole values differ: output {}", role(name)),
                        format!(
                            "{wrong} of {} values of output `{name}` differ for set `{}`",
                            expected.count(),
                            set.name
                        ),
                        "whole numbers and booleans must be equal; a tie in the model's decisions can be broken by another weight seed",
                    );
                }
                if unequal.apart > 0 {
                    limits.push(Limit::new(
                        LimitKind::IllConditioned,
                        format!(
                            "{} of {} values of the whole output `{name}` differ for set `{}`, where PyTorch's own hang on rounding",
                            unequal.apart,
                            expected.count(),
                            set.name
                        ),
                    ));
                }
            }
        }
        Ok(limits)
    }

    fn varies(&self) -> Result<(), Box<Finding>> {
        for name in self.reference.floating.keys() {
            let unreadable = |error| self.unreadable(error);
            let spread = self.candidate.spread(name, |_| true).map_err(unreadable)?;
            let (_, output) = self.tolerance(name)?;
            if spread > Soundness::of(output.element).hollow_below() {
                continue;
            }
            let reference_spread = output.spread;
            let largest = self.candidate.largest(name).map_err(unreadable)?;
            let what = if largest == 0.0 {
                "zero everywhere"
            } else {
                "constant"
            };
            return self.fail(
                format!("output is {what}: {}", role(name)),
                format!(
                    "output `{name}` is {what} over all input sets (spread {spread:.3e}); the reference spreads {reference_spread:.3e}"
                ),
                "the artefact has lost its computation: try another exporter or a lower optimisation level",
            );
        }
        Ok(())
    }

    /// Each input must move the candidate where it moves the reference beyond what counts as still. Half as far is enough: by
    /// how much is the comparison's question.
    fn sensitivity(&self) -> Result<Vec<SensitivityEvidence>, Box<Finding>> {
        let found = moves(self.candidate, self.sets, &self.reference.floating)
            .map_err(|error| self.unreadable(error))?;
        let mut evidence = Vec::new();
        for (expected, found) in self.reference.moves.iter().zip(&found) {
            evidence.push(self.probe(expected, found)?);
        }
        Ok(evidence)
    }

    fn probe(&self, expected: &Moves, found: &Moves) -> Result<SensitivityEvidence, Box<Finding>> {
        let input = &expected.input;
        let mut most: Option<(f64, SensitivityEvidence)> = None;
        for (name, reference_moved) in &expected.outputs {
            let candidate_moved = found.outputs.get(name).copied().unwrap_or(0.0);
            let still = self.tolerance(name)?.1.still();
            let due = (reference_moved - still) / 2.0;
            if due > 0.0 && candidate_moved < due {
                return self.fail(
                    format!("ignores an input: {input}"),
                    format!(
                        "drawing `{input}` anew moves output `{name}` by {candidate_moved:.3e}; the reference moves by {reference_moved:.3e}"
                    ),
                    "the input was folded into the artefact as a constant: give it another example value or another exporter",
                );
            }
            let share = reference_moved / still;
            if most.as_ref().is_none_or(|(largest, _)| share > *largest) {
                most = Some((
                    share,
                    SensitivityEvidence {
                        input: input.clone(),
                        output: name.clone(),
                        reference_moved: *reference_moved,
                        candidate_moved,
                    },
                ));
            }
        }
        match most {
            Some((_, evidence)) => Ok(evidence),
            None => self.fail(
                "no floating output",
                format!("no output can show what `{input}` moves"),
                "choose a class that returns floating tensors",
            ),
        }
    }

    fn differences(&self, limits: &mut Vec<Limit>) -> Result<Vec<OutputEvidence>, Box<Finding>> {
        let mut evidence = Vec::new();
        let mut worst: Option<(Nearest, OutputEvidence)> = None;
        let example = self.reference.outputs.0.first();
        for (name, example) in example.into_iter().flatten() {
            let mut output = OutputEvidence {
                name: name.clone(),
                dtype: example.element.name().to_owned(),
                max_absolute: 0.0,
                max_relative: 0.0,
                reference_spread: 0.0,
                reference_noise: 0.0,
                difference: 0.0,
                allowed: 0.0,
                untouched: self.reference.untouched.contains(name),
            };
            if example.element.is_floating() {
                let (tolerance, floating) = self.tolerance(name)?;
                let scale = scale(floating);
                let lines = floating.lines.map(|line| tolerance.allowed(scale(line)));
                let nearest = self.nearest(name, tolerance, &lines)?;
                output.reference_spread = floating.lines.whole.spread();
                output.reference_noise = floating.lines.whole.noise;
                output.max_absolute = nearest.largest;
                output.max_relative = ratio(nearest.largest, output.reference_spread);
                output.difference = nearest.difference;
                output.allowed = nearest.allowed;
                if tolerance.is_bounded(scale(&floating.lines.whole)) {
                    limits.push(Limit::new(
                        LimitKind::IllConditioned,
                        format!(
                            "the model amplifies rounding: PyTorch's own `{name}` in float32 lies up to {:.1e} from that in float64, of a spread of {:.1e}",
                            output.reference_noise, output.reference_spread
                        ),
                    ));
                }
                let beyond = nearest.share() > 1.0;
                if beyond
                    && worst
                        .as_ref()
                        .is_none_or(|(most, _)| nearest.share() > most.share())
                {
                    worst = Some((nearest, output.clone()));
                }
            }
            evidence.push(output);
        }
        match worst {
            None => Ok(evidence),
            Some((nearest, output)) => self.fail(
                format!("values differ: output {}", role(&output.name)),
                format!(
                    "output `{}` lies {:.3e} from the reference at {:?} for set `{}`; {:.3e} is allowed there ({:.1} times too far, spread {:.3e}, PyTorch's own rounding {:.1e})",
                    output.name,
                    output.difference,
                    nearest.place,
                    self.sets.get(nearest.set).map_or("", |set| &set.name),
                    output.allowed,
                    nearest.share(),
                    output.reference_spread,
                    output.reference_noise,
                ),
                "try a lower optimisation level, another attention implementation, or another exporter",
            ),
        }
    }

    /// The difference of one output that comes nearest to what is allowed where it lies, or goes farthest beyond it.
    fn nearest(
        &self,
        name: &str,
        tolerance: Tolerance,
        lines: &Allowed<'_>,
    ) -> Result<Nearest, Box<Finding>> {
        let mut nearest = Nearest {
            difference: 0.0,
            allowed: lines.whole,
            largest: 0.0,
            set: 0,
            place: Vec::new(),
        };
        for index in 0..self.sets.len() {
            let of = |outputs: &'a Outputs| outputs.0.get(index)?.get(name);
            let (Some(expected), Some(found)) = (of(&self.reference.outputs), of(self.candidate))
            else {
                continue;
            };
            let mut places = Places::new(&expected.shape);
            for (expected, found) in expected.stretches().zip(found.stretches()) {
                let unreadable = |error| self.unreadable(error);
                let (expected, found) = (expected.map_err(unreadable)?, found.map_err(unreadable)?);
                let (Data::Floating(expected), Data::Floating(found)) = (expected, found) else {
                    continue;
                };
                for (expected, found) in expected.iter().zip(&found) {
                    let difference = apart(*expected, *found);
                    nearest.largest = nearest.largest.max(difference);
                    // Most values agree far better than any line asks; only the others are looked at.
                    if difference > 0.0
                        && difference * nearest.allowed >= nearest.difference * lines.least
                    {
                        let allowed = lines.at(index, &places) + tolerance.least(*expected);
                        if difference * nearest.allowed > nearest.difference * allowed {
                            nearest.difference = difference;
                            nearest.allowed = allowed;
                            nearest.set = index;
                            nearest.place = places.at().to_vec();
                        }
                    }
                    places.step();
                }
            }
        }
        Ok(nearest)
    }

    fn tolerance(&self, name: &str) -> Result<(Tolerance, &'a FloatingOutput), Box<Finding>> {
        let output = self.reference.floating.get(name);
        let found = output.and_then(|output| {
            let tolerance = self.tolerances.of(self.backend, output.element)?;
            Some((tolerance, output))
        });
        match found {
            Some(found) => Ok(found),
            None => self.fail(
                "no tolerance for this type",
                format!(
                    "the table has no tolerance for output `{name}` on {}",
                    self.backend
                ),
                "this is a defect in Portwright: please report it with the plan",
            ),
        }
    }

    /// Values of either side that cannot be read any more agree with nothing.
    fn unreadable(&self, error: TensorError) -> Box<Finding> {
        unreadable(self.backend, &error.into())
    }

    fn fail<T>(
        &self,
        phrase: impl Into<String>,
        message: String,
        hint: &str,
    ) -> Result<T, Box<Finding>> {
        Err(finding(self.backend, phrase, message, hint))
    }
}

/// A difference and what is allowed where it lies.
struct Nearest {
    difference: f64,
    allowed: f64,
    /// The largest difference anywhere.
    largest: f64,
    set: usize,
    place: Vec<usize>,
}

impl Nearest {
    /// The difference in proportion to what is allowed.
    fn share(&self) -> f64 {
        ratio(self.difference, self.allowed)
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / whole }
}

/// What the tolerance is asked about a line of an output. A line of few values may have met little rounding by chance: it is
/// taken to round at least as the whole output does, in proportion.
fn scale(output: &FloatingOutput) -> impl Fn(&Line) -> Scale {
    let whole = output.lines.whole;
    let share = ratio(whole.noise, whole.spread());
    let largest = whole.largest();
    move |line| Scale {
        spread: line.spread(),
        noise: line.noise.max(share * line.spread()),
        largest,
    }
}

/// The finding that outputs cannot be read.
pub fn unreadable(backend: Backend, error: &OutputError) -> Box<Finding> {
    finding(
        backend,
        format!("outputs: {}", error.phrase()),
        error.to_string(),
        error.hint(),
    )
}

fn finding(
    backend: Backend,
    phrase: impl Into<String>,
    message: String,
    hint: &str,
) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Compare,
        backend: Some(backend),
        signature: Signature::phrase(phrase),
        message,
        error: None,
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;

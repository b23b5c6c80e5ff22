//! The comparison of a candidate with the reference: one place for all backends.
//!
//! Failures are looked for from the coarse to the fine, so that the finding names the cause and not its consequence: an
//! output that is constant also differs, and saying so first is what points at the repair.

use portwright_core::{
    Backend, Finding, Signature, Stage,
    verdict::{OutputEvidence, SensitivityEvidence},
};

use super::{
    inputs::InputSet,
    outputs::{Output, OutputError, Outputs, difference, role, unequal},
    reference::{Moves, Reference, moves},
    tolerances::{Tolerance, Tolerances},
};
use crate::tensor::TensorError;

/// What the comparison measured on a candidate that agrees.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    pub outputs: Vec<OutputEvidence>,
    pub sensitivity: Vec<SensitivityEvidence>,
}

/// Compares a candidate's outputs with the reference's on every input set.
pub fn compare(
    backend: Backend,
    tolerances: &Tolerances,
    sets: &[InputSet],
    reference: &Reference,
    candidate: &Outputs,
) -> Result<Agreement, Box<Finding>> {
    let case = Comparison {
        backend,
        tolerances,
        sets,
        reference,
        candidate,
    };
    case.names()?;
    case.types()?;
    case.shapes()?;
    case.finite()?;
    case.varies()?;
    let sensitivity = case.sensitivity()?;
    case.whole()?;
    let outputs = case.differences()?;
    Ok(Agreement {
        outputs,
        sensitivity,
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
        let (reference, candidate) = (&self.reference.outputs, self.candidate);
        self.sets
            .iter()
            .zip(reference.0.iter().zip(&candidate.0))
            .flat_map(|(set, (reference, candidate))| {
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

    fn types(&self) -> Result<(), Box<Finding>> {
        for (set, name, expected, found) in self.pairs() {
            if expected.element.is_floating() != found.element.is_floating() {
                return self.fail(
                    format!("type differs: output {}", role(name)),
                    format!(
                        "output `{name}` is {} for set `{}`; the reference's is {}",
                        found.element.name(),
                        set.name,
                        expected.element.name()
                    ),
                    "keep the types of the outputs in the export",
                );
            }
        }
        Ok(())
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

    /// Booleans and whole numbers are decisions: one that differs is wrong by any measure, so they must be equal.
    fn whole(&self) -> Result<(), Box<Finding>> {
        for (set, name, expected, found) in self.pairs() {
            let apart = unequal(expected, found).map_err(|error| self.unreadable(error))?;
            if apart > 0 {
                return self.fail(
                    format!("whole values differ: output {}", role(name)),
                    format!(
                        "{apart} of {} values of output `{name}` differ for set `{}`",
                        expected.count(),
                        set.name
                    ),
                    "whole numbers and booleans must be equal; a tie in the model's decisions can be broken by another weight seed",
                );
            }
        }
        Ok(())
    }

    fn varies(&self) -> Result<(), Box<Finding>> {
        for name in self.reference.floating.keys() {
            let unreadable = |error| self.unreadable(error);
            let spread = self.candidate.spread(name).map_err(unreadable)?;
            let (tolerance, reference_spread) = self.tolerance(name)?;
            if spread > tolerance.hollow_below() {
                continue;
            }
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

    /// Each input must move the candidate where it moves the reference. A candidate within the tolerance moves at
    /// least as far as the reference less twice what is allowed, so half of that accuses none that is right.
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
            let (tolerance, spread) = self.tolerance(name)?;
            let allowed = tolerance.allowed(spread);
            let due = (reference_moved - 2.0 * allowed) / 2.0;
            if due > 0.0 && candidate_moved < due {
                return self.fail(
                    format!("ignores an input: {input}"),
                    format!(
                        "drawing `{input}` anew moves output `{name}` by {candidate_moved:.3e}; the reference moves by {reference_moved:.3e}"
                    ),
                    "the input was folded into the artefact as a constant: give it another example value or another exporter",
                );
            }
            let share = reference_moved / allowed;
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

    fn differences(&self) -> Result<Vec<OutputEvidence>, Box<Finding>> {
        let mut evidence = Vec::new();
        let mut worst: Option<(f64, &str, OutputEvidence)> = None;
        let example = self.reference.outputs.0.first();
        for (name, example) in example.into_iter().flatten() {
            let mut output = OutputEvidence {
                name: name.clone(),
                dtype: example.element.name().to_owned(),
                max_absolute: 0.0,
                max_relative: 0.0,
                reference_spread: 0.0,
                allowed: 0.0,
                untouched: self.reference.untouched.contains(name),
            };
            if example.element.is_floating() {
                let (tolerance, spread) = self.tolerance(name)?;
                output.reference_spread = spread;
                output.allowed = tolerance.allowed(spread);
                let mut worst_set = "";
                for (set, _, expected, found) in self.pairs().filter(|pair| pair.1 == name) {
                    let apart =
                        difference(expected, found).map_err(|error| self.unreadable(error))?;
                    if apart >= output.max_absolute {
                        output.max_absolute = apart;
                        worst_set = &set.name;
                    }
                }
                output.max_relative = output.max_absolute / spread;
                let share = output.max_absolute / output.allowed;
                if share > 1.0 && worst.as_ref().is_none_or(|(most, ..)| share > *most) {
                    worst = Some((share, worst_set, output.clone()));
                }
            }
            evidence.push(output);
        }
        match worst {
            None => Ok(evidence),
            Some((share, set, output)) => self.fail(
                format!("values differ: output {}", role(&output.name)),
                format!(
                    "output `{}` lies {:.3e} from the reference for set `{set}`; {:.3e} is allowed ({share:.1} times too far, spread {:.3e})",
                    output.name, output.max_absolute, output.allowed, output.reference_spread
                ),
                "try a lower optimisation level, another attention implementation, or another exporter",
            ),
        }
    }

    fn tolerance(&self, name: &str) -> Result<(Tolerance, f64), Box<Finding>> {
        let output = self.reference.floating.get(name);
        let found = output.and_then(|output| {
            let tolerance = self.tolerances.of(self.backend, output.element)?;
            Some((tolerance, output.spread))
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

//! How far an output may lie from the reference: one table for every backend, embedded so that no run can bring its
//! own.

use std::collections::BTreeMap;

use portwright_core::Backend;
use serde::Deserialize;

use crate::tensor::ElementType;

const TABLE: &str = include_str!("tolerances.toml");

/// What is allowed for one backend and dtype.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Allowed in proportion to the spread of a line.
    relative: f64,
    /// How many times the rounding of eager PyTorch in a line is allowed.
    rounding: f64,
    /// The largest share of the spread of a line that is allowed, however far the model amplifies rounding.
    most: f64,
    /// Allowed in every line, in proportion to the largest value of the output.
    floor: f64,
    /// Allowed for every value, in proportion to itself.
    least: f64,
}

/// What is known of the reference in one line of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The largest minus the smallest value.
    pub spread: f64,
    /// How far eager PyTorch lies from its own result in float64.
    pub noise: f64,
    /// The largest value of the whole output, without its sign.
    pub largest: f64,
}

impl Tolerance {
    /// The largest difference that passes in a line, before what [`Tolerance::least`] adds for the value itself.
    pub fn allowed(self, line: Scale) -> f64 {
        self.unbounded(line).min(self.most * line.spread) + self.floor * line.largest
    }

    /// What is allowed in proportion to the value itself.
    pub fn least(self, value: f64) -> f64 {
        self.least * value.abs()
    }

    /// Whether the model amplifies rounding in this line so far that the bound, and not the rounding, decides.
    pub fn is_bounded(self, line: Scale) -> bool {
        self.unbounded(line) > self.most * line.spread && line.spread > 0.0
    }

    fn unbounded(self, line: Scale) -> f64 {
        self.relative * line.spread + self.rounding * line.noise
    }
}

/// The table of all rows, each for the backends that name it, and dtypes.
#[derive(Clone, Debug)]
pub struct Tolerances(BTreeMap<String, BTreeMap<String, Tolerance>>);

impl Tolerances {
    /// Reads the embedded table.
    pub fn embedded() -> Result<Self, toml::de::Error> {
        toml::from_str(TABLE).map(Tolerances)
    }

    /// The tolerance of a backend for outputs whose reference has this type; `None` for types that must be equal.
    pub fn of(&self, backend: Backend, element: ElementType) -> Option<Tolerance> {
        let row = self.0.get(&backend.spec().tolerance)?;
        row.get(element.name()).copied()
    }
}

/// What a reference must do to be worth comparing with: vary, and move when its inputs move, by more than any tolerance could
/// hide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soundness {
    absolute: f64,
    relative: f64,
}

impl Soundness {
    /// For outputs of a floating type.
    pub fn of(element: ElementType) -> Self {
        let (absolute, relative) = match element {
            ElementType::Float16 => (1e-3, 5e-3),
            ElementType::Bfloat16 => (1e-3, 2e-2),
            _ => (1e-5, 1e-3),
        };
        Soundness { absolute, relative }
    }

    /// What a movement must exceed to be one, for an output with this spread.
    pub fn still(self, spread: f64) -> f64 {
        2.0 * (self.absolute + self.relative * spread)
    }

    /// The spread below which an output says nothing.
    pub fn hollow_below(self) -> f64 {
        10.0 * self.absolute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerance() -> Tolerance {
        let table = Tolerances::embedded().unwrap();
        table
            .of(Backend::ONNXRUNTIME, ElementType::Float32)
            .unwrap()
    }

    fn line(spread: f64, noise: f64) -> Scale {
        Scale {
            spread,
            noise,
            largest: spread,
        }
    }

    #[test]
    fn every_backend_has_a_tolerance_for_every_floating_type() {
        let table = Tolerances::embedded().unwrap();
        for backend in Backend::all() {
            for element in ElementType::FLOATING {
                let tolerance = table
                    .of(backend, element)
                    .unwrap_or_else(|| panic!("{backend} {element:?}"));
                assert!(tolerance.floor > 0.0 && tolerance.relative > 0.0);
                assert!(tolerance.most > tolerance.relative);
            }
        }
    }

    #[test]
    fn whole_numbers_have_no_tolerance() {
        let table = Tolerances::embedded().unwrap();
        assert_eq!(table.of(Backend::ONNXRUNTIME, ElementType::Int64), None);
    }

    #[test]
    fn a_model_that_rounds_well_is_held_to_little_and_one_that_does_not_to_its_own_rounding() {
        let well = tolerance().allowed(line(1.0, 1e-7));
        assert!(well < 2e-5, "{well}");
        let ill = tolerance().allowed(line(1.0, 1e-4));
        assert!(ill > 5e-4 && ill < 5e-3, "{ill}");
    }

    #[test]
    fn whatever_a_model_makes_of_rounding_there_is_a_bound() {
        assert!(tolerance().allowed(line(1.0, 1.0)) < 0.03);
        assert!(tolerance().is_bounded(line(1.0, 1.0)));
        assert!(!tolerance().is_bounded(line(1.0, 1e-7)));
    }
}

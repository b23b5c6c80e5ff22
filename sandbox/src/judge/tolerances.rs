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
    /// Allowed whatever the size of the values.
    pub absolute: f64,
    /// Allowed in proportion to the spread of the reference output.
    pub relative: f64,
}

impl Tolerance {
    /// The largest difference that passes for an output with this spread.
    pub fn allowed(self, spread: f64) -> f64 {
        self.absolute + self.relative * spread
    }

    /// The spread below which an output says nothing: any constant would lie within reach of the tolerance.
    pub fn hollow_below(self) -> f64 {
        10.0 * self.absolute
    }
}

/// The table of all backends and dtypes.
#[derive(Clone, Debug)]
pub struct Tolerances(BTreeMap<Backend, BTreeMap<String, Tolerance>>);

impl Tolerances {
    /// Reads the embedded table.
    pub fn embedded() -> Result<Self, toml::de::Error> {
        toml::from_str(TABLE).map(Tolerances)
    }

    /// The tolerance of a backend for outputs whose reference has this type; `None` for types that must be equal.
    pub fn of(&self, backend: Backend, element: ElementType) -> Option<Tolerance> {
        self.0.get(&backend)?.get(element.name()).copied()
    }

    /// The widest tolerance of any backend: a reference that is sound under it is sound for all of them.
    pub fn widest(&self, element: ElementType) -> Option<Tolerance> {
        self.0
            .values()
            .filter_map(|table| table.get(element.name()).copied())
            .reduce(|a, b| Tolerance {
                absolute: a.absolute.max(b.absolute),
                relative: a.relative.max(b.relative),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_a_tolerance_for_every_floating_type() {
        let table = Tolerances::embedded().unwrap();
        for backend in Backend::ALL {
            for element in ElementType::FLOATING {
                let tolerance = table
                    .of(backend, element)
                    .unwrap_or_else(|| panic!("{backend} {element:?}"));
                assert!(tolerance.absolute > 0.0 && tolerance.relative > 0.0);
            }
        }
    }

    #[test]
    fn whole_numbers_have_no_tolerance() {
        let table = Tolerances::embedded().unwrap();
        assert_eq!(table.of(Backend::Onnxruntime, ElementType::Int64), None);
        assert_eq!(table.widest(ElementType::Bool), None);
    }

    #[test]
    fn what_is_allowed_grows_with_the_spread() {
        let tolerance = Tolerance {
            absolute: 0.5,
            relative: 0.25,
        };
        assert_eq!(tolerance.allowed(0.0), 0.5);
        assert_eq!(tolerance.allowed(2.0), 1.0);
    }
}

//! The outputs of one run on every input set, with their names brought into one form.

use std::path::Path;

use thiserror::Error;

use super::inputs::InputSet;
use crate::tensor::{self, Data, Tensor, TensorError, Tensors};

/// The folder below a job's work folder into which it writes its outputs.
pub const FOLDER: &str = "outputs";

/// From this size on a value is a filler, such as the least float that masks a score. It measures nothing: taken into
/// the spread it would make every difference look small.
const FILLER: f64 = 1e30;

fn is_filler(value: f64) -> bool {
    value.abs() >= FILLER
}

/// The outputs of one run, one entry per input set in the order of the sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(pub Vec<Tensors>);

/// Why outputs could not be read.
#[derive(Debug, Error)]
pub enum OutputError {
    #[error(transparent)]
    Tensor(#[from] TensorError),
    #[error("set `{set}` holds output `{name}` twice, with and without the exporter's prefix")]
    Twice { set: String, name: String },
}

impl OutputError {
    /// The cause in words that are the same wherever it occurs.
    pub fn phrase(&self) -> &'static str {
        match self {
            OutputError::Tensor(error) => error.phrase(),
            OutputError::Twice { .. } => "output named twice",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            OutputError::Tensor(error) => error.hint(),
            OutputError::Twice { .. } => "give every output of the artefact a name of its own",
        }
    }
}

impl Outputs {
    /// Reads what a job that has ended wrote for each set. Where the files lie is the judge's word, not the job's.
    pub fn read(work: &Path, sets: &[InputSet]) -> Result<Self, OutputError> {
        let mut outputs = Vec::with_capacity(sets.len());
        for set in sets {
            let read = tensor::read(work, &Path::new(FOLDER).join(set.file_name()))?;
            outputs.push(renamed(read, &set.name)?);
        }
        Ok(Outputs(outputs))
    }

    /// The largest minus the smallest value of an output over all sets, fillers left out. Zero for an output that no set
    /// has.
    pub fn spread(&self, name: &str) -> f64 {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for tensors in &self.0 {
            if let Some(Data::Floating(values)) = tensors.get(name).map(|tensor| &tensor.data) {
                for value in values.iter().filter(|value| !is_filler(**value)) {
                    low = low.min(*value);
                    high = high.max(*value);
                }
            }
        }
        if high >= low { high - low } else { 0.0 }
    }

    /// Whether every floating value of an output is finite, in the set at `index`.
    pub fn is_finite(&self, index: usize, name: &str) -> bool {
        match self.0.get(index).and_then(|tensors| tensors.get(name)) {
            Some(Tensor {
                data: Data::Floating(values),
                ..
            }) => values.iter().all(|value| value.is_finite()),
            _ => true,
        }
    }

    /// How far an output lies apart in two sets; all of `spread` where even its shape differs, or where a filler comes or
    /// goes.
    pub fn moved(&self, name: &str, from: usize, to: usize, spread: f64) -> f64 {
        let tensor = |index: usize| self.0.get(index).and_then(|tensors| tensors.get(name));
        let apart = match (tensor(from), tensor(to)) {
            (Some(from), Some(to)) if from.shape == to.shape => {
                Some(difference(from, to)).filter(|apart| apart.is_finite())
            }
            _ => None,
        };
        apart.unwrap_or(spread)
    }
}

/// The largest absolute difference of two floating tensors of one shape; infinite where one has a value that is no
/// number, or a filler where the other has none of its sign.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    match (&a.data, &b.data) {
        (Data::Floating(a), Data::Floating(b)) => {
            a.iter().zip(b).fold(0.0_f64, |largest, (a, b)| {
                if is_filler(*a) || is_filler(*b) {
                    let same = is_filler(*a) && is_filler(*b) && a.signum() == b.signum();
                    return if same { largest } else { f64::INFINITY };
                }
                let apart = (a - b).abs();
                if apart.is_nan() {
                    f64::INFINITY
                } else {
                    largest.max(apart)
                }
            })
        }
        _ => f64::INFINITY,
    }
}

/// What an output is, for signatures: its name without the places in lists, so that `hidden_states.3` of one model and
/// `hidden_states.7` of another are one thing.
pub fn role(name: &str) -> String {
    let parts: Vec<String> = name
        .split('.')
        .filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|part| {
            part.split(|c: char| c.is_ascii_digit())
                .filter(|piece| !piece.is_empty())
                .collect::<Vec<_>>()
                .join("#")
        })
        .collect();
    let role = parts.join(".");
    if role.is_empty() {
        "#".to_owned()
    } else {
        role
    }
}

fn renamed(tensors: Tensors, set: &str) -> Result<Tensors, OutputError> {
    let mut out = Tensors::new();
    for (name, tensor) in tensors {
        let name = name.strip_prefix("output.").unwrap_or(&name).to_owned();
        if out.insert(name.clone(), tensor).is_some() {
            return Err(OutputError::Twice {
                set: set.to_owned(),
                name,
            });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::ElementType;

    fn floats(values: &[f64]) -> Tensor {
        Tensor {
            element: ElementType::Float32,
            shape: vec![values.len()],
            data: Data::Floating(values.to_vec()),
        }
    }

    fn outputs(sets: &[&[f64]]) -> Outputs {
        Outputs(
            sets.iter()
                .map(|values| Tensors::from([("x".to_owned(), floats(values))]))
                .collect(),
        )
    }

    #[test]
    fn the_spread_is_taken_over_all_sets() {
        assert_eq!(outputs(&[&[1.0, 2.0], &[-3.0]]).spread("x"), 5.0);
        assert_eq!(outputs(&[&[]]).spread("x"), 0.0);
    }

    #[test]
    fn an_output_that_changes_its_shape_has_moved() {
        assert_eq!(outputs(&[&[1.0], &[1.0, 1.0]]).moved("x", 0, 1, 9.0), 9.0);
        assert_eq!(outputs(&[&[1.0], &[3.0]]).moved("x", 0, 1, 9.0), 2.0);
    }

    #[test]
    fn a_filler_widens_no_spread_and_must_be_met() {
        let least = f64::from(f32::MIN);
        assert_eq!(outputs(&[&[1.0, least, 2.0]]).spread("x"), 1.0);
        let apart = |a: f64, b: f64| difference(&floats(&[1.0, a]), &floats(&[1.5, b]));
        assert_eq!(apart(least, least), 0.5);
        assert_eq!(apart(least, 2.0), f64::INFINITY);
        assert_eq!(apart(least, -least), f64::INFINITY);
        assert_eq!(outputs(&[&[1.0], &[least]]).moved("x", 0, 1, 9.0), 9.0);
    }

    #[test]
    fn what_is_no_number_differs_from_everything() {
        assert_eq!(
            difference(&floats(&[f64::NAN, 1.0]), &floats(&[f64::NAN, 1.0])),
            f64::INFINITY
        );
    }

    #[test]
    fn the_exporters_prefix_is_stripped() {
        let tensors = Tensors::from([("output.logits".to_owned(), floats(&[1.0]))]);
        assert!(renamed(tensors, "example").unwrap().contains_key("logits"));
    }

    #[test]
    fn two_outputs_of_one_name_are_refused() {
        let tensors = Tensors::from([
            ("output.logits".to_owned(), floats(&[1.0])),
            ("logits".to_owned(), floats(&[1.0])),
        ]);
        assert!(matches!(
            renamed(tensors, "example"),
            Err(OutputError::Twice { .. })
        ));
    }

    #[test]
    fn places_in_lists_are_not_part_of_a_role() {
        assert_eq!(role("hidden_states.3"), "hidden_states");
        assert_eq!(role("past.0.key"), "past.key");
        assert_eq!(role("conv2_out"), "conv#_out");
    }
}

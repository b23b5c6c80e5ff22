//! Inputs of a port: their types, shapes and how values are drawn.

use serde::{Deserialize, Serialize};

/// A named size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dim {
    /// The size in the example that the exporter traces; never 0 or 1 when dynamic, since those are specialised.
    pub example: u64,
    /// Another valid size that the judge also tries; absent where no other size is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<u64>,
}

/// One axis of an input: a fixed size, a named one, or a multiple of a named one such as `4*sequence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Axis {
    Fixed(u64),
    Named(String),
}

impl Axis {
    /// The name and the factor of a named axis, e.g. `("sequence", 4)` for `4*sequence`.
    pub fn named(&self) -> Option<(&str, u64)> {
        match self {
            Axis::Fixed(_) => None,
            Axis::Named(text) => match text.split_once('*') {
                Some((factor, name)) => factor
                    .trim()
                    .parse()
                    .ok()
                    .map(|factor| (name.trim(), factor)),
                None => Some((text, 1)),
            },
        }
    }
}

/// The element type of a tensor, by its name in NumPy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    Bool,
    Int32,
    Int64,
    Float32,
}

impl Dtype {
    pub fn is_float(self) -> bool {
        self == Dtype::Float32
    }

    /// The size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            Dtype::Bool => 1,
            Dtype::Int32 | Dtype::Float32 => 4,
            Dtype::Int64 => 8,
        }
    }
}

/// How the values of an input are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Values {
    /// Integers from `low` up to, not including, `high`, uniformly.
    Integer { low: i64, high: i64 },
    /// Ones, with a tail of zeros in every row but the first: the second axis is the sequence. The judge's probe
    /// zeroes more of it.
    Mask,
    /// Integers as in `integer`, with runs of placeholder ids at the same places of every row. Another draw moves the
    /// ordinary ids alone: a placeholder stands for a feature of another input.
    Tokens { low: i64, high: i64, runs: Vec<Run> },
    /// These whole numbers one after the other, begun again until the tensor is full: sizes and positions that other
    /// inputs must agree with, the same for every row. Such an input is never probed.
    Listed { values: Vec<i64> },
    /// Normal deviates.
    Normal { mean: f64, std: f64 },
    /// Uniform deviates from `low` up to `high`.
    Uniform { low: f64, high: f64 },
    /// 0, 1, 2, … along the last axis.
    Range,
    /// One value everywhere; such an input is never probed for sensitivity.
    Constant { value: f64 },
}

/// A run of one id in every row of an input, see [`Values::Tokens`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub id: i64,
    /// The first position along the last axis.
    pub at: u64,
    pub count: u64,
    /// What the id stands for: `image`, `video`, `audio`, or `mark` for a delimiter.
    pub marks: String,
}

/// One tensor that `forward` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<Axis>,
    pub values: Values,
    /// What the input carries: `text`, `image`, `audio`, `time-series`, or `control` for masks, positions and the like.
    pub modality: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_may_be_a_multiple_of_a_named_size() {
        assert_eq!(
            Axis::Named("4*sequence".into()).named(),
            Some(("sequence", 4))
        );
        assert_eq!(Axis::Named("batch".into()).named(), Some(("batch", 1)));
        assert_eq!(Axis::Fixed(3).named(), None);
    }
}

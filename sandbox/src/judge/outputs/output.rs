//! One output, whose values are looked at a stretch at a time.

use std::ops::Range;

use crate::tensor::{Data, ElementType, Stored, Tensor, TensorError, axis::Part};

/// How many values a stretch has: a pair of them is small whatever the size of the outputs, and a file is still read in
/// large pieces.
pub const STRETCH: usize = 1 << 16;

/// One output of one set: what is known of it without its values, and where these are.
#[derive(Clone, Debug)]
pub struct Output {
    pub element: ElementType,
    pub shape: Vec<usize>,
    count: usize,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    Memory(Data),
    File(Stored),
    Part { whole: Box<Output>, part: Part },
}

impl Output {
    /// How many values there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The values in order, at most [`STRETCH`] at a time. Two outputs with as many values have the same stretches.
    pub fn stretches(&self) -> impl Iterator<Item = Result<Data, TensorError>> {
        (0..self.count)
            .step_by(STRETCH)
            .map(move |start| self.read(start..self.count.min(start + STRETCH)))
    }

    /// The part from `start` up to, not including, `end` of one axis; bounds beyond it are its own.
    pub fn narrow(&self, axis: usize, start: usize, end: usize) -> Self {
        let part = Part::of(&self.shape, axis, start, end);
        Output {
            element: self.element,
            shape: part.shape.clone(),
            // Where a row has no value, there is no row either.
            count: self.count.checked_div(part.row).unwrap_or(0) * part.length,
            values: Values::Part {
                whole: Box::new(self.clone()),
                part,
            },
        }
    }

    /// The values at the places of `range`, each of which there is.
    fn read(&self, range: Range<usize>) -> Result<Data, TensorError> {
        match &self.values {
            Values::Memory(data) => Ok(data.part(range)),
            Values::File(stored) => stored.read(range),
            Values::Part { whole, part } => {
                let mut values = whole.read(0..0)?;
                let mut place = range.start;
                while place < range.end {
                    let (row, within) = (place / part.length, place % part.length);
                    let count = (part.length - within).min(range.end - place);
                    let start = row * part.row + part.first + within;
                    values.append(whole.read(start..start + count)?);
                    place += count;
                }
                Ok(values)
            }
        }
    }
}

impl From<Tensor> for Output {
    fn from(tensor: Tensor) -> Self {
        Output {
            element: tensor.element,
            count: tensor.data.count(),
            shape: tensor.shape,
            values: Values::Memory(tensor.data),
        }
    }
}

impl From<Stored> for Output {
    fn from(stored: Stored) -> Self {
        Output {
            element: stored.element,
            shape: stored.shape.clone(),
            count: stored.count(),
            values: Values::File(stored),
        }
    }
}

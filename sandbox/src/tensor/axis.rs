//! Tensors cut and joined along one axis.

use super::{Data, Tensor};

/// Where the values of a part of a tensor lie in the whole: of every `row` values those from `first` on, `length` of
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub shape: Vec<usize>,
    pub row: usize,
    pub first: usize,
    pub length: usize,
}

impl Part {
    /// The part from `start` up to, not including, `end` of one axis; bounds beyond it are its own.
    pub fn of(shape: &[usize], axis: usize, start: usize, end: usize) -> Self {
        let mut shape = shape.to_vec();
        // A shape that a job wrote may overflow behind an axis of no size.
        let product = |sizes: &[usize]| sizes.iter().copied().fold(1, usize::saturating_mul);
        let Some(&size) = shape.get(axis) else {
            let all = product(&shape);
            return Part {
                shape,
                row: all,
                first: 0,
                length: all,
            };
        };
        let end = end.min(size);
        let start = start.min(end);
        let inner = product(&shape[axis + 1..]);
        shape[axis] = end - start;
        Part {
            shape,
            row: inner.saturating_mul(size),
            first: inner.saturating_mul(start),
            length: inner.saturating_mul(end - start),
        }
    }
}

/// The part of a tensor from `start` up to, not including, `end` of one axis; bounds beyond it are its own.
pub fn narrow(tensor: &Tensor, axis: usize, start: usize, end: usize) -> Tensor {
    let part = Part::of(&tensor.shape, axis, start, end);
    fn cut<T: Copy>(values: &[T], part: &Part) -> Vec<T> {
        values
            .chunks(part.row.max(1))
            .flat_map(|row| {
                row.get(part.first..part.first + part.length)
                    .unwrap_or_default()
            })
            .copied()
            .collect()
    }
    Tensor {
        element: tensor.element,
        data: match &tensor.data {
            Data::Floating(values) => Data::Floating(cut(values, &part)),
            Data::Whole(values) => Data::Whole(cut(values, &part)),
        },
        shape: part.shape,
    }
}

/// Two tensors of one type, one behind the other along an axis.
pub fn join([first, second]: &[Tensor; 2], axis: usize) -> Tensor {
    let rows = |tensor: &Tensor| -> usize { tensor.shape.iter().skip(axis).product() };
    fn joined<T: Copy>(first: &[T], a: usize, second: &[T], b: usize) -> Vec<T> {
        first
            .chunks(a.max(1))
            .zip(second.chunks(b.max(1)))
            .flat_map(|(first, second)| first.iter().chain(second))
            .copied()
            .collect()
    }
    let (a, b) = (rows(first), rows(second));
    let mut shape = second.shape.clone();
    shape[axis] += first.shape[axis];
    let data = match (&first.data, &second.data) {
        (Data::Floating(first), Data::Floating(second)) => {
            Data::Floating(joined(first, a, second, b))
        }
        (Data::Whole(first), Data::Whole(second)) => Data::Whole(joined(first, a, second, b)),
        (_, other) => other.clone(),
    };
    Tensor {
        element: second.element,
        shape,
        data,
    }
}

//! The lines of an output: everything at one index of one axis, such as a channel, a row of the batch or a place.
//!
//! A difference is judged in every line that it lies in. One spread for a whole tensor would let the large channels pay for the
//! small ones: boxes in pixels beside scores from 0 to 1, or one channel that is thousands of times larger than the rest.
//!
//! An axis of one size in all input sets is the same thing in each of them, so its lines reach through all sets; an axis whose
//! size changes has lines of its own in each set. Lines of a few values say little of how far rounding goes, so those with
//! fewer than [`FEW`] are left out; the whole output is a line too, and always counts.

use std::collections::BTreeMap;

use super::{Output, Outputs, is_filler, spread::Spread};
use crate::tensor::{Data, TensorError};

/// The fewest values that make a line.
const FEW: usize = 16;

/// The distance of two neighbouring float32 numbers in proportion to them.
const LAST_BIT: f64 = 1.0 / (1 << 23) as f64;

/// The most lines of one axis; of a longer axis neighbours share one.
const MOST: usize = 4096;

/// What is known of the reference in one line.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    spread: Spread,
    /// How far the more precise reference lies away, at most.
    pub noise: f64,
    pub count: usize,
}

impl Line {
    const NONE: Line = Line {
        spread: Spread::NONE,
        noise: 0.0,
        count: 0,
    };

    fn note(&mut self, value: f64, noise: f64) {
        if is_filler(value) {
            return;
        }
        self.spread.note(value);
        // Its own last bit is allowed to each value by itself: a mask of -10,000 says nothing of how the others round.
        self.noise = self.noise.max(noise - LAST_BIT * value.abs());
        self.count += 1;
    }

    pub fn spread(&self) -> f64 {
        self.spread.width()
    }

    pub fn largest(&self) -> f64 {
        self.spread.largest()
    }

    pub fn says_enough(&self) -> bool {
        self.count >= FEW
    }
}

/// The lines of one output in all input sets.
#[derive(Clone, Debug)]
pub struct Lines {
    pub whole: Line,
    /// The lines of every axis that has any.
    pub axes: Vec<Vec<Line>>,
    /// For each set, where its axes' lines are in `axes`.
    sets: Vec<Vec<usize>>,
}

impl Lines {
    /// Measures an output of the reference; `precise` is the same computed with less rounding, where that could be done.
    pub fn measure(
        reference: &Outputs,
        precise: Option<&Outputs>,
        name: &str,
    ) -> Result<Self, TensorError> {
        let mut lines = Lines {
            whole: Line::NONE,
            axes: Vec::new(),
            sets: Vec::new(),
        };
        let shapes: Vec<&[usize]> = reference
            .0
            .iter()
            .map(|set| set.get(name).map_or(&[][..], |output| &output.shape))
            .collect();
        let mut shared = BTreeMap::new();
        for shape in &shapes {
            let tables = (0..shape.len()).map(|axis| {
                let same = shapes.iter().all(|it| it.get(axis) == shape.get(axis));
                let mut add = || {
                    lines.axes.push(vec![Line::NONE; shape[axis].min(MOST)]);
                    lines.axes.len() - 1
                };
                if same {
                    *shared.entry(axis).or_insert_with(add)
                } else {
                    add()
                }
            });
            let tables = tables.collect();
            lines.sets.push(tables);
        }
        for (set, outputs) in reference.0.iter().enumerate() {
            let Some(output) = outputs.get(name) else {
                continue;
            };
            let beside = precise
                .and_then(|precise| precise.0.get(set)?.get(name))
                .filter(|beside| beside.shape == output.shape);
            lines.take(set, output, beside)?;
        }
        Ok(lines)
    }

    fn take(
        &mut self,
        set: usize,
        output: &Output,
        beside: Option<&Output>,
    ) -> Result<(), TensorError> {
        let mut places = Places::new(&output.shape);
        let mut precise = beside.map(Output::stretches);
        for stretch in output.stretches() {
            let Data::Floating(values) = stretch? else {
                return Ok(());
            };
            let precise = match precise.as_mut().and_then(Iterator::next).transpose()? {
                Some(Data::Floating(values)) => Some(values),
                _ => None,
            };
            for (at, value) in values.iter().enumerate() {
                let noise = precise
                    .as_ref()
                    .and_then(|precise| precise.get(at))
                    .map_or(0.0, |precise| (precise - value).abs());
                // What float32 cannot hold, float64 may, and the other way round: no rounding can be read off it.
                let noise = if noise.is_finite() { noise } else { 0.0 };
                self.whole.note(*value, noise);
                for (axis, table) in self.sets[set].iter().enumerate() {
                    self.axes[*table][places.line(axis)].note(*value, noise);
                }
                places.step();
            }
        }
        Ok(())
    }

    /// Forgets sets by their index; what they said of the lines stays.
    pub fn retain_sets(&mut self, keep: impl Fn(&usize) -> bool) {
        let mut index = 0;
        self.sets.retain(|_| {
            index += 1;
            keep(&(index - 1))
        });
    }

    /// For each line what `of` says of it, and nothing where the line says too little.
    pub fn map(&self, of: impl Fn(&Line) -> f64) -> Allowed<'_> {
        let each = |line: &Line| {
            if line.says_enough() {
                of(line)
            } else {
                f64::INFINITY
            }
        };
        let axes: Vec<Vec<f64>> = self
            .axes
            .iter()
            .map(|axis| axis.iter().map(each).collect())
            .collect();
        let whole = of(&self.whole);
        Allowed {
            whole,
            least: axes.iter().flatten().copied().fold(whole, f64::min),
            axes,
            sets: &self.sets,
        }
    }
}

/// What is allowed in every line of an output.
pub struct Allowed<'a> {
    pub whole: f64,
    /// The least of all lines.
    pub least: f64,
    axes: Vec<Vec<f64>>,
    sets: &'a [Vec<usize>],
}

impl Allowed<'_> {
    /// What is allowed in a set at the place that `places` has reached.
    pub fn at(&self, set: usize, places: &Places) -> f64 {
        let tables = self.sets.get(set).map_or(&[][..], Vec::as_slice);
        tables
            .iter()
            .enumerate()
            .fold(self.whole, |least, (axis, table)| {
                let allowed = self
                    .axes
                    .get(*table)
                    .and_then(|axis_lines| axis_lines.get(places.line(axis)))
                    .copied()
                    .unwrap_or(f64::INFINITY);
                least.min(allowed)
            })
    }
}

/// The place of a value in its output, as the values are read in order.
pub struct Places {
    sizes: Vec<usize>,
    at: Vec<usize>,
}

impl Places {
    pub fn new(shape: &[usize]) -> Self {
        Self {
            sizes: shape.to_vec(),
            at: vec![0; shape.len()],
        }
    }

    /// The index on each axis.
    pub fn at(&self) -> &[usize] {
        &self.at
    }

    pub fn step(&mut self) {
        for (at, size) in self.at.iter_mut().zip(&self.sizes).rev() {
            *at += 1;
            if *at < *size {
                return;
            }
            *at = 0;
        }
    }

    /// The line of an axis in which the place lies.
    fn line(&self, axis: usize) -> usize {
        let size = self.sizes[axis];
        if size <= MOST {
            self.at[axis]
        } else {
            self.at[axis] / size.div_ceil(MOST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{ElementType, Tensor, Tensors};

    fn outputs(sets: &[(&[usize], Vec<f64>)]) -> Outputs {
        let set = |(shape, values): &(&[usize], Vec<f64>)| {
            Tensors::from([(
                "y".to_owned(),
                Tensor {
                    element: ElementType::Float32,
                    shape: shape.to_vec(),
                    data: Data::Floating(values.clone()),
                },
            )])
        };
        sets.iter().map(set).collect::<Vec<_>>().into()
    }

    /// Two channels, of which the second is a thousand times the first, over two sets of other lengths.
    fn channels(scale: f64) -> Outputs {
        let values = |count: usize| {
            (0..count)
                .flat_map(|n| {
                    let value = (n % 7) as f64 * scale;
                    [value, 1000.0 * value]
                })
                .collect()
        };
        outputs(&[(&[2, 16, 2], values(32)), (&[2, 20, 2], values(40))])
    }

    #[test]
    fn a_channel_has_a_spread_of_its_own_through_all_sets() {
        let lines = Lines::measure(&channels(1.0), None, "y").unwrap();
        assert_eq!(lines.whole.spread(), 6000.0);
        let spreads = lines.map(Line::spread);
        let mut places = Places::new(&[2, 20, 2]);
        assert_eq!(spreads.at(1, &places), 6.0);
        places.step();
        assert_eq!(places.at(), [0, 0, 1]);
        assert!(spreads.at(1, &places) >= 5000.0);
    }

    #[test]
    fn the_noise_of_a_line_is_how_far_the_precise_reference_lies_away() {
        let lines = Lines::measure(&channels(1.0), Some(&channels(1.0 + 1e-6)), "y").unwrap();
        let noise = lines.map(|line| line.noise);
        let places = Places::new(&[2, 16, 2]);
        assert!(noise.at(0, &places) < 1e-5);
        assert!(noise.whole > 1e-3);
    }

    #[test]
    fn a_line_of_few_values_says_nothing_and_the_whole_always_does() {
        let small = outputs(&[(&[3], vec![1.0, 2.0, 4.0])]);
        let lines = Lines::measure(&small, None, "y").unwrap();
        let spreads = lines.map(Line::spread);
        assert_eq!(spreads.at(0, &Places::new(&[3])), 3.0);
    }

    #[test]
    fn a_long_axis_has_lines_of_neighbours() {
        let mut places = Places::new(&[3 * MOST]);
        for _ in 0..4 {
            places.step();
        }
        assert_eq!(places.line(0), 1);
    }
}

//! Input sets: what the reference and every candidate are run on.
//!
//! They are drawn from the plan's specs and a seed that no agent sees. Every tensor has a stream of its own, named
//! by the seed, the set and the input, so that a set can be drawn again from the evidence, and one more input moves
//! no other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use portwright_core::plan::{Axis, Dtype, InputSpec, PortPlan, Run, Values};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::style::Style;
use crate::tensor::{self, Data, ElementType, SharedTensors, Tensor, TensorError};

/// The set whose sizes the exporter traced.
pub const EXAMPLE: &str = "example";
/// The set with other sizes.
pub const OTHER: &str = "other";
/// The set with the example's sizes and other values, where there are no other sizes.
pub const REDRAWN: &str = "redrawn";

/// The most elements that one input may have.
const MOST_ELEMENTS: u64 = 1 << 22;

/// One tensor for every input of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSet {
    pub name: String,
    /// The named sizes in force.
    pub sizes: BTreeMap<String, u64>,
    /// What the values of this set were drawn from; tells nothing about the hidden seed.
    pub seed: u64,
    /// The input whose values alone differ from the example's; `None` for a set of its own.
    pub probe: Option<String>,
    /// Whether it is one of the corners, which a model may refuse: see [`corners`](super::corners).
    pub corner: bool,
    /// A probe shares all but one with the example: a plan of images has tens of megabytes in each set.
    pub tensors: SharedTensors,
}

impl InputSet {
    /// The name of the set's file, and of the file of outputs that answers it.
    pub fn file_name(&self) -> String {
        format!("{}.safetensors", self.name)
    }

    /// What stays to be known of a set once its file is written: what was drawn, and for what, but not the values, which
    /// would lie in memory while jobs run.
    pub fn outline(&self) -> Self {
        Self {
            name: self.name.clone(),
            sizes: self.sizes.clone(),
            seed: self.seed,
            probe: self.probe.clone(),
            corner: self.corner,
            tensors: SharedTensors::new(),
        }
    }
}

/// Why inputs could not be drawn.
#[derive(Debug, Error)]
pub enum InputError {
    #[error("input `{input}` has an axis `{axis}` without a size")]
    Axis { input: String, axis: String },
    #[error("input `{input}` has more than {MOST_ELEMENTS} elements")]
    TooLarge { input: String },
    #[error("the input sets cannot be written")]
    Write(#[from] TensorError),
}

impl InputError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            InputError::Axis { .. } => "give the axis an entry in `dims` of the plan",
            InputError::TooLarge { .. } => "make the sizes in `dims` of the plan smaller",
            InputError::Write(_) => "check the space and the permissions of the work folder",
        }
    }
}

/// Draws the input sets of a plan: the example, another one, and one probe per input that can be probed.
///
/// With `dynamic`, the other set has the other size of every dimension that has one. An artefact of fixed sizes can
/// only take the example's, so its other set differs in values alone.
///
/// What has one name in both is one thing: the sets of both kinds can lie in one folder and share one reference.
pub fn draw(plan: &PortPlan, dynamic: bool, seed: u64) -> Result<Vec<InputSet>, InputError> {
    let mut drawn = BTreeMap::new();
    let outlines = draw_each(plan, dynamic, seed, |set| {
        drawn.insert(set.name.clone(), set);
        Ok(())
    })?;
    let sets = outlines.iter().filter_map(|set| drawn.remove(&set.name));
    Ok(sets.collect())
}

/// As [`draw`], with each set's file below `folder`; the sets are answered without their values, of which no more than two
/// sets have lain in memory at once. A plan of images has tens of megabytes in each set.
pub fn draw_into(
    plan: &PortPlan,
    dynamic: bool,
    seed: u64,
    folder: &Path,
) -> Result<Vec<InputSet>, InputError> {
    draw_each(plan, dynamic, seed, |set| {
        tensor::write(&set.tensors, &folder.join(set.file_name()))?;
        Ok(())
    })
}

/// The sets of [`draw`] without their values.
pub fn outlines(plan: &PortPlan, dynamic: bool, seed: u64) -> Result<Vec<InputSet>, InputError> {
    draw_each(plan, dynamic, seed, |_| Ok(()))
}

/// Draws one set after the other and hands each over; answers with their outlines, in the order of [`draw`].
fn draw_each(
    plan: &PortPlan,
    dynamic: bool,
    seed: u64,
    mut take: impl FnMut(InputSet) -> Result<(), InputError>,
) -> Result<Vec<InputSet>, InputError> {
    let example_sizes = sizes(plan, false);
    let other_sizes = sizes(plan, dynamic);
    let name = if other_sizes == example_sizes {
        REDRAWN
    } else {
        OTHER
    };
    // The other set comes first: it may be the largest, and it is gone before the example is there.
    let other = draw_set(plan, name, other_sizes, seed, &Style::Usual)?;
    let other_outline = other.outline();
    take(other)?;
    let example = draw_set(plan, EXAMPLE, example_sizes.clone(), seed, &Style::Usual)?;
    let mut outlines = vec![example.outline(), other_outline];
    for spec in &plan.inputs {
        let Some((seed, drawn)) = redraw(spec, &example_sizes, seed, &example)? else {
            continue;
        };
        let mut tensors = example.tensors.clone();
        tensors.insert(spec.name.clone(), Arc::new(drawn));
        let probe = InputSet {
            name: format!("probe-{}", spec.name),
            sizes: example_sizes.clone(),
            seed,
            probe: Some(spec.name.clone()),
            corner: false,
            tensors,
        };
        outlines.push(probe.outline());
        take(probe)?;
    }
    take(example)?;
    Ok(outlines)
}

/// Draws one input anew until it differs from the example's; `None` where it cannot, such as an input of one value.
/// A small input can be drawn the same by chance, so chance gets more than one try.
fn redraw(
    spec: &InputSpec,
    sizes: &BTreeMap<String, u64>,
    seed: u64,
    example: &InputSet,
) -> Result<Option<(u64, Tensor)>, InputError> {
    for attempt in 0..64 {
        let set_seed = seed_of(seed, &format!("probe-{}-{attempt}", spec.name));
        let drawn = draw_input(spec, sizes, set_seed, &Style::Probe)?;
        if example.tensors.get(&spec.name).map(Arc::as_ref) != Some(&drawn) {
            return Ok(Some((set_seed, drawn)));
        }
    }
    Ok(None)
}

/// Writes each set as a safetensors file of its name below `folder`; answers with the paths in the order of the sets.
pub fn write(sets: &[InputSet], folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    sets.iter()
        .map(|set| {
            let path = folder.join(set.file_name());
            tensor::write(&set.tensors, &path)?;
            Ok(path)
        })
        .collect()
}

/// The named sizes of the example, or with `other` the other ones.
pub(super) fn sizes(plan: &PortPlan, other: bool) -> BTreeMap<String, u64> {
    plan.dims
        .iter()
        .map(|(name, dim)| {
            let size = if other {
                dim.other.unwrap_or(dim.example)
            } else {
                dim.example
            };
            (name.clone(), size)
        })
        .collect()
}

/// Draws a set of its own.
pub(super) fn draw_set(
    plan: &PortPlan,
    name: &str,
    sizes: BTreeMap<String, u64>,
    seed: u64,
    style: &Style,
) -> Result<InputSet, InputError> {
    let seed = seed_of(seed, name);
    let tensors = plan
        .inputs
        .iter()
        .map(|spec| {
            let drawn = draw_input(spec, &sizes, seed, style)?;
            Ok((spec.name.clone(), Arc::new(drawn)))
        })
        .collect::<Result<_, InputError>>()?;
    Ok(InputSet {
        name: name.to_owned(),
        sizes,
        seed,
        probe: None,
        corner: false,
        tensors,
    })
}

/// The seed of a set: 53 bits of a hash, so that it survives every JSON reader and the hidden seed stays hidden.
pub(super) fn seed_of(seed: u64, set: &str) -> u64 {
    let hash = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(set)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first) >> 11
}

fn draw_input(
    spec: &InputSpec,
    sizes: &BTreeMap<String, u64>,
    seed: u64,
    style: &Style,
) -> Result<Tensor, InputError> {
    let shape = shape(spec, sizes)?;
    let count = shape.iter().product();
    let mut random = Random::new(seed, &spec.name);
    let wide = matches!(style, Style::WholeRange { .. });
    let mut values: Vec<f64> = match &spec.values {
        // Drawn as integers: a float would lose the low bits of large ones.
        Values::Integer { low, high } => {
            let (low, high) = style.ids(spec, *low, *high);
            let mut values: Vec<i64> = (0..count).map(|_| random.integer(low, high)).collect();
            style.place(spec, (low, high), &mut values, &mut random);
            return Ok(whole(spec.dtype, shape, values));
        }
        Values::Tokens { low, high, runs } => {
            let (from, to) = style.ids(spec, *low, *high);
            let mut values: Vec<i64> = (0..count).map(|_| random.integer(from, to)).collect();
            style.place(spec, (from, to), &mut values, &mut random);
            // A placeholder stands for a feature of another input, and only where the plan puts it.
            for value in &mut values {
                if runs.iter().any(|run| run.id == *value) {
                    *value = *low;
                }
            }
            place(runs, &mut values, shape.last().copied().unwrap_or(1));
            return Ok(whole(spec.dtype, shape, values));
        }
        Values::Listed { values } => {
            let values = values.iter().copied().cycle().take(count).collect();
            return Ok(whole(spec.dtype, shape, values));
        }
        Values::Mask => style.mask(&shape),
        Values::Normal { mean, std } if wide => extremes(
            count,
            &mut random,
            [mean - 3.0 * std, mean + 3.0 * std],
            *mean,
        ),
        Values::Normal { mean, std } => (0..count).map(|_| mean + std * random.normal()).collect(),
        Values::Uniform { low, high } if wide => extremes(
            count,
            &mut random,
            [*low, *high],
            f64::midpoint(*low, *high),
        ),
        Values::Uniform { low, high } => (0..count)
            .map(|_| low + (high - low) * random.unit())
            .collect(),
        Values::Range => range(&shape, matches!(style, Style::Probe)),
        Values::Constant { value } => vec![*value; count],
    };
    Ok(if spec.dtype.is_float() {
        // Rounded here, so that what is compared in memory is what the file says; in place, since images are large.
        for value in &mut values {
            *value = f64::from(*value as f32);
        }
        Tensor {
            element: ElementType::Float32,
            shape,
            data: Data::Floating(values),
        }
    } else {
        whole(
            spec.dtype,
            shape,
            values.iter().map(|value| *value as i64).collect(),
        )
    })
}

/// Both ends of a range in turn by chance, and nothing but its middle in the first eighth, like silence or a black border.
fn extremes(count: usize, random: &mut Random, ends: [f64; 2], middle: f64) -> Vec<f64> {
    (0..count)
        .map(|at| {
            let end = ends[usize::from(random.unit() < 0.5)];
            if at < count / 8 { middle } else { end }
        })
        .collect()
}

/// Puts the runs of placeholder ids at their places in every row; what does not fit a row is left out.
fn place(runs: &[Run], values: &mut [i64], length: usize) {
    for row in values.chunks_mut(length.max(1)) {
        for run in runs {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(row.len());
            let (start, end) = (at(run.at), at(run.at.saturating_add(run.count)));
            row[start..end].fill(run.id);
        }
    }
}

fn whole(dtype: Dtype, shape: Vec<usize>, values: Vec<i64>) -> Tensor {
    let (element, values) = match dtype {
        Dtype::Bool => (
            ElementType::Bool,
            values.iter().map(|value| i64::from(*value != 0)).collect(),
        ),
        Dtype::Int32 => (
            ElementType::Int32,
            values
                .iter()
                .map(|value| i64::from(*value as i32))
                .collect(),
        ),
        Dtype::Int64 | Dtype::Float32 => (ElementType::Int64, values),
    };
    Tensor {
        element,
        shape,
        data: Data::Whole(values),
    }
}

/// Refuses sizes for which an input cannot be drawn.
pub(super) fn check_sizes(
    plan: &PortPlan,
    sizes: &BTreeMap<String, u64>,
) -> Result<(), InputError> {
    plan.inputs
        .iter()
        .try_for_each(|spec| shape(spec, sizes).map(drop))
}

fn shape(spec: &InputSpec, sizes: &BTreeMap<String, u64>) -> Result<Vec<usize>, InputError> {
    let mut count: u64 = 1;
    let mut shape = Vec::with_capacity(spec.shape.len());
    for axis in &spec.shape {
        let size = match axis {
            Axis::Fixed(size) => Some(*size),
            Axis::Named(text) => {
                let (name, factor) = axis.named().ok_or_else(|| unsized_axis(spec, text))?;
                let size = sizes.get(name).ok_or_else(|| unsized_axis(spec, text))?;
                size.checked_mul(factor)
            }
        };
        let too_large = || InputError::TooLarge {
            input: spec.name.clone(),
        };
        let size = size.ok_or_else(too_large)?;
        count = count.checked_mul(size).ok_or_else(too_large)?;
        if count > MOST_ELEMENTS || size > MOST_ELEMENTS {
            return Err(too_large());
        }
        shape.push(size as usize);
    }
    Ok(shape)
}

fn unsized_axis(spec: &InputSpec, axis: &str) -> InputError {
    InputError::Axis {
        input: spec.name.clone(),
        axis: axis.to_owned(),
    }
}

/// 0, 1, 2, … along the last axis; a probe counts down. A shift would move past the last position that a table
/// holds, and would move nothing where only distances count; backwards is within bounds and moves both.
fn range(shape: &[usize], probe: bool) -> Vec<f64> {
    let length = shape.last().copied().unwrap_or(1);
    let rows: usize = shape.iter().rev().skip(1).product();
    let forwards = (0..length).map(|position| position as f64);
    let row: Vec<f64> = if probe {
        forwards.rev().collect()
    } else {
        forwards.collect()
    };
    row.repeat(rows)
}

/// Numbers that follow from a seed and a name.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64, input: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(input)
            .finalize();
        Random(ChaCha8Rng::from_seed(hash.into()))
    }

    /// From `low` up to, not including, `high`; `low` where the plan leaves nothing between them.
    pub(super) fn integer(&mut self, low: i64, high: i64) -> i64 {
        let span = (i128::from(high) - i128::from(low)).max(1);
        // The span of any two has at most 64 bits, so the product has at most 128.
        let drawn = (u128::from(self.0.next_u64()) * span.unsigned_abs()) >> 64;
        (i128::from(low) + drawn as i128) as i64
    }

    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal deviate, after Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
#[path = "inputs_tests.rs"]
mod tests;

//! The outputs of one run on every input set, with their names brought into one form.

mod lines;
mod names;
mod output;
mod spread;

use std::{collections::BTreeMap, path::Path};

use portwright_core::text;
use thiserror::Error;

use super::inputs::InputSet;
use crate::tensor::{self, Data, TensorError, Tensors};

pub use lines::{Allowed, Line, Lines, Places};
pub use names::role;
pub use output::Output;

use spread::{Spread, is_filler};

/// The folder below a job's work folder into which it writes its outputs.
pub const FOLDER: &str = "outputs";

/// Where the job of the reference writes the outputs that were computed with less rounding.
pub const PRECISE_FOLDER: &str = "precise";

/// The most outputs of a model: a cache of a hundred layers has some hundreds.
const MOST_OUTPUTS: usize = 10_000;

/// How much of what is no name is told.
const SHOWN: usize = 60;

/// The outputs of one run, one entry per input set in the order of the sets.
#[derive(Clone, Debug)]
pub struct Outputs(pub Vec<BTreeMap<String, Output>>);

/// Why outputs could not be read.
#[derive(Debug, Error)]
pub enum OutputError {
    #[error(transparent)]
    Tensor(#[from] TensorError),
    #[error("set `{set}` holds an output of {} characters that is no name: `{}`", .name.chars().count(), text::cut(&text::line(.name), SHOWN))]
    Name { set: String, name: String },
    #[error("set `{set}` holds {count} outputs")]
    Many { set: String, count: usize },
    #[error("set `{set}` holds output `{name}` twice, with and without the exporter's prefix")]
    Twice { set: String, name: String },
}

impl OutputError {
    /// The cause in words that are the same wherever it occurs.
    pub fn phrase(&self) -> &'static str {
        match self {
            OutputError::Tensor(error) => error.phrase(),
            OutputError::Name { .. } => "output without a plain name",
            OutputError::Many { .. } => "too many outputs",
            OutputError::Twice { .. } => "output named twice",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            OutputError::Tensor(error) => error.hint(),
            OutputError::Name { .. } => {
                "name outputs with letters, digits, `_`, `.`, `-`, `:`, `/`, `#` and brackets"
            }
            OutputError::Many { .. } => "return fewer tensors, or stack them",
            OutputError::Twice { .. } => "give every output of the artefact a name of its own",
        }
    }
}

impl Outputs {
    /// Opens what a job that has ended wrote for each set. Where the files lie is the judge's word, not the job's.
    pub fn open(work: &Path, sets: &[InputSet]) -> Result<Self, OutputError> {
        Self::open_in(work, FOLDER, sets)
    }

    /// As [`Outputs::open`], from another folder below the work folder.
    pub fn open_in(work: &Path, folder: &str, sets: &[InputSet]) -> Result<Self, OutputError> {
        let mut outputs = Vec::with_capacity(sets.len());
        for set in sets {
            let stored = tensor::open(work, &Path::new(folder).join(set.file_name()))?;
            check_names(stored.keys(), &set.name)?;
            let stored = stored.into_iter().map(|(name, it)| (name, it.into()));
            outputs.push(renamed(stored, &set.name)?);
        }
        Ok(Outputs(outputs))
    }

    /// The largest minus the smallest value of an output over those sets that are asked for by their index, fillers left out.
    /// Zero for an output that no set has.
    pub fn spread(&self, name: &str, of: impl Fn(usize) -> bool) -> Result<f64, TensorError> {
        let mut spread = Spread::NONE;
        let sets = self.0.iter().enumerate().filter(|(index, _)| of(*index));
        let outputs = sets.filter_map(|(_, outputs)| outputs.get(name));
        for stretch in outputs.flat_map(Output::stretches) {
            if let Data::Floating(values) = stretch? {
                values.into_iter().for_each(|value| spread.note(value));
            }
        }
        Ok(spread.width())
    }

    /// The largest value of an output over all sets, without its sign.
    pub fn largest(&self, name: &str) -> Result<f64, TensorError> {
        let mut largest = 0.0_f64;
        for stretch in self.stretches(name) {
            if let Data::Floating(values) = stretch? {
                largest = values.iter().fold(largest, |l, value| l.max(value.abs()));
            }
        }
        Ok(largest)
    }

    /// Whether every floating value of an output is finite, in the set at `index`.
    pub fn is_finite(&self, index: usize, name: &str) -> Result<bool, TensorError> {
        let output = self.0.get(index).and_then(|outputs| outputs.get(name));
        for stretch in output.into_iter().flat_map(Output::stretches) {
            if let Data::Floating(values) = stretch?
                && !values.iter().all(|value| value.is_finite())
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How far an output lies apart in two sets; all of `spread` where even its shape differs, or where a filler comes or
    /// goes.
    pub fn moved(
        &self,
        name: &str,
        from: usize,
        to: usize,
        spread: f64,
    ) -> Result<f64, TensorError> {
        let output = |index: usize| self.0.get(index).and_then(|outputs| outputs.get(name));
        let apart = match (output(from), output(to)) {
            (Some(from), Some(to)) if from.shape == to.shape => {
                Some(difference(from, to)?).filter(|apart| apart.is_finite())
            }
            _ => None,
        };
        Ok(apart.unwrap_or(spread))
    }

    /// The values of an output in every set.
    fn stretches(&self, name: &str) -> impl Iterator<Item = Result<Data, TensorError>> {
        self.0
            .iter()
            .filter_map(move |outputs| outputs.get(name))
            .flat_map(Output::stretches)
    }
}

/// Outputs that are in memory.
impl From<Vec<Tensors>> for Outputs {
    fn from(sets: Vec<Tensors>) -> Self {
        let outputs = |tensors: Tensors| {
            let tensors = tensors.into_iter();
            tensors
                .map(|(name, tensor)| (name, tensor.into()))
                .collect()
        };
        Outputs(sets.into_iter().map(outputs).collect())
    }
}

/// The largest absolute difference of two floating outputs of one shape; infinite where one has a value that is no
/// number, or a filler where the other has none that is the same.
pub fn difference(a: &Output, b: &Output) -> Result<f64, TensorError> {
    let mut largest = 0.0_f64;
    for (a, b) in a.stretches().zip(b.stretches()) {
        let (Data::Floating(a), Data::Floating(b)) = (a?, b?) else {
            return Ok(f64::INFINITY);
        };
        largest = a
            .iter()
            .zip(&b)
            .fold(largest, |largest, (a, b)| largest.max(apart(*a, *b)));
    }
    Ok(largest)
}

/// How far two values lie apart. A filler lies infinitely far from everything but itself.
pub fn apart(a: f64, b: f64) -> f64 {
    let apart = (a - b).abs();
    if is_filler(a) || is_filler(b) {
        let same = apart <= SAME_FILLER * a.abs().min(b.abs());
        return if same { 0.0 } else { f64::INFINITY };
    }
    if apart.is_nan() { f64::INFINITY } else { apart }
}

/// How far two fillers may differ in proportion to themselves: something small may have been added to one.
const SAME_FILLER: f64 = 1e-5;

/// How the values of two outputs of booleans or whole numbers of one shape compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unequal {
    /// How many differ.
    pub apart: usize,
    /// How many of all values hang on rounding in the reference itself.
    pub unsettled: usize,
    /// How many differ where nothing in the reference hangs on rounding.
    pub settled_apart: usize,
}

/// Compares outputs of booleans or whole numbers; nothing is unequal in floating ones. `precise` is the reference computed with
/// less rounding: where it differs from the reference, a decision hung on rounding.
pub fn unequal(
    reference: &Output,
    candidate: &Output,
    precise: Option<&Output>,
) -> Result<Unequal, TensorError> {
    let mut unequal = Unequal::default();
    if reference.element.is_floating() || candidate.element.is_floating() {
        return Ok(unequal);
    }
    let precise = precise.filter(|precise| precise.shape == reference.shape);
    let mut beside = precise.map(Output::stretches);
    for (a, b) in reference.stretches().zip(candidate.stretches()) {
        let beside = beside.as_mut().and_then(Iterator::next).transpose()?;
        let (Data::Whole(a), Data::Whole(b)) = (a?, b?) else {
            continue;
        };
        for (at, (a, b)) in a.iter().zip(&b).enumerate() {
            let settled = match &beside {
                Some(Data::Whole(precise)) => precise.get(at) == Some(a),
                _ => true,
            };
            unequal.unsettled += usize::from(!settled);
            unequal.apart += usize::from(a != b);
            unequal.settled_apart += usize::from(a != b && settled);
        }
    }
    Ok(unequal)
}

/// Whether an output of booleans or whole numbers differs between any two sets of the same sizes.
pub fn whole_moves(outputs: &Outputs, sets: &[InputSet], name: &str) -> Result<bool, TensorError> {
    let with_sizes = |index: usize| {
        let output = outputs.0.get(index)?.get(name)?;
        Some((sets.get(index)?, output))
    };
    for later in 1..outputs.0.len() {
        let Some((set, output)) = with_sizes(later) else {
            continue;
        };
        // The nearest earlier set of the same sizes: where all neighbours agree, all do.
        let earlier = (0..later)
            .rev()
            .filter_map(with_sizes)
            .find(|(other, beside)| other.sizes == set.sizes && beside.shape == output.shape);
        if let Some((_, beside)) = earlier
            && unequal(beside, output, None)?.apart > 0
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names become keys of the evidence, and parts of signatures and sentences: what is no name is not let in.
fn check_names<'a>(
    names: impl ExactSizeIterator<Item = &'a String>,
    set: &str,
) -> Result<(), OutputError> {
    let (set, count) = (set.to_owned(), names.len());
    if count > MOST_OUTPUTS {
        return Err(OutputError::Many { set, count });
    }
    match names.into_iter().find(|name| !text::is_name(name)) {
        Some(name) => Err(OutputError::Name {
            set,
            name: name.clone(),
        }),
        None => Ok(()),
    }
}

fn renamed(
    outputs: impl IntoIterator<Item = (String, Output)>,
    set: &str,
) -> Result<BTreeMap<String, Output>, OutputError> {
    let mut renamed = BTreeMap::new();
    for (name, output) in outputs {
        let name = names::plain(&name).to_owned();
        if renamed.insert(name.clone(), output).is_some() {
            return Err(OutputError::Twice {
                set: set.to_owned(),
                name,
            });
        }
    }
    Ok(renamed)
}

#[cfg(test)]
mod tests;

//! Tensors as the judge sees them, and their safetensors files.
//!
//! The reader trusts nothing: a file was written by code nobody has read. Links, devices, pipes, giants and broken
//! headers are typed errors, and no byte of a file can make it panic.

pub(crate) mod axis;
mod error;
mod file;
mod plain;
mod stored;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use safetensors::Dtype as FileType;

pub use error::TensorError;
pub use file::{parse, write};
pub use plain::open_plain;
pub use stored::{Stored, open};

/// The largest file of tensors that is read.
pub const LARGEST_FILE: u64 = 256 << 20;

/// The tensors of one file, by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Tensors by name, of which several of these maps can hold the same ones.
pub type SharedTensors = BTreeMap<String, Arc<Tensor>>;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    Bool,
    Uint8,
    Int8,
    Uint16,
    Int16,
    Uint32,
    Int32,
    Uint64,
    Int64,
    Bfloat16,
    Float16,
    Float32,
    Float64,
}

impl ElementType {
    /// The types whose values are compared within a tolerance.
    pub const FLOATING: [ElementType; 4] = [
        ElementType::Bfloat16,
        ElementType::Float16,
        ElementType::Float32,
        ElementType::Float64,
    ];

    pub fn is_floating(self) -> bool {
        Self::FLOATING.contains(&self)
    }

    /// The type's name in NumPy.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::Bool => "bool",
            ElementType::Uint8 => "uint8",
            ElementType::Int8 => "int8",
            ElementType::Uint16 => "uint16",
            ElementType::Int16 => "int16",
            ElementType::Uint32 => "uint32",
            ElementType::Int32 => "int32",
            ElementType::Uint64 => "uint64",
            ElementType::Int64 => "int64",
            ElementType::Bfloat16 => "bfloat16",
            ElementType::Float16 => "float16",
            ElementType::Float32 => "float32",
            ElementType::Float64 => "float64",
        }
    }

    fn of_file(file: FileType) -> Option<Self> {
        Some(match file {
            FileType::BOOL => ElementType::Bool,
            FileType::U8 => ElementType::Uint8,
            FileType::I8 => ElementType::Int8,
            FileType::U16 => ElementType::Uint16,
            FileType::I16 => ElementType::Int16,
            FileType::U32 => ElementType::Uint32,
            FileType::I32 => ElementType::Int32,
            FileType::U64 => ElementType::Uint64,
            FileType::I64 => ElementType::Int64,
            FileType::BF16 => ElementType::Bfloat16,
            FileType::F16 => ElementType::Float16,
            FileType::F32 => ElementType::Float32,
            FileType::F64 => ElementType::Float64,
            _ => return None,
        })
    }

    fn file(self) -> FileType {
        match self {
            ElementType::Bool => FileType::BOOL,
            ElementType::Uint8 => FileType::U8,
            ElementType::Int8 => FileType::I8,
            ElementType::Uint16 => FileType::U16,
            ElementType::Int16 => FileType::I16,
            ElementType::Uint32 => FileType::U32,
            ElementType::Int32 => FileType::I32,
            ElementType::Uint64 => FileType::U64,
            ElementType::Int64 => FileType::I64,
            ElementType::Bfloat16 => FileType::BF16,
            ElementType::Float16 => FileType::F16,
            ElementType::Float32 => FileType::F32,
            ElementType::Float64 => FileType::F64,
        }
    }

    /// How many bytes of a file an element takes.
    fn bytes(self) -> usize {
        self.file().bitsize() / 8
    }
}

/// The values of a tensor, widened: every floating type fits into `f64`, every other into `i64`
/// (a `uint64` keeps its bits, which is enough to tell whether two are equal).
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Floating(Vec<f64>),
    Whole(Vec<i64>),
}

/// A tensor whose values are in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub element: ElementType,
    pub shape: Vec<usize>,
    pub data: Data,
}

impl Data {
    /// How many values there are.
    pub fn count(&self) -> usize {
        match self {
            Data::Floating(values) => values.len(),
            Data::Whole(values) => values.len(),
        }
    }

    /// The values at the places of `range`, each of which there is.
    pub(crate) fn part(&self, range: Range<usize>) -> Data {
        match self {
            Data::Floating(values) => Data::Floating(values[range].to_vec()),
            Data::Whole(values) => Data::Whole(values[range].to_vec()),
        }
    }

    /// These values and then `more`, which are of the same kind.
    pub(crate) fn append(&mut self, more: Data) {
        match (self, more) {
            (Data::Floating(values), Data::Floating(more)) => values.extend(more),
            (Data::Whole(values), Data::Whole(more)) => values.extend(more),
            (values, more) => *values = more,
        }
    }
}

#[cfg(test)]
mod tests;

//! Tensors as the judge sees them, and their safetensors files.
//!
//! The reader trusts nothing: a file was written by code nobody has read. Links, devices, pipes, giants and broken
//! headers are typed errors, and no byte of a file can make it panic.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::{Dtype as FileType, SafeTensors, tensor::TensorView};
use thiserror::Error;

/// The largest file of tensors that is read. Its values are widened, a boolean to eight bytes, so this bounds what a
/// job can make the judge hold.
pub const LARGEST_FILE: u64 = 256 << 20;

/// The tensors of one file, by name.
pub type Tensors = BTreeMap<String, Tensor>;

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
}

/// The values of a tensor, widened: every floating type fits into `f64`, every other into `i64`
/// (a `uint64` keeps its bits, which is enough to tell whether two are equal).
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Floating(Vec<f64>),
    Whole(Vec<i64>),
}

/// A tensor read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub element: ElementType,
    pub shape: Vec<usize>,
    pub data: Data,
}

/// Why a file of tensors could not be read or written.
#[derive(Debug, Error)]
pub enum TensorError {
    #[error("{path} is not there")]
    Missing { path: PathBuf },
    #[error("{path} is {what}; only a plain file of the job's own is read")]
    NotPlain { path: PathBuf, what: &'static str },
    #[error("{path} lies outside the job's folder")]
    Outside { path: PathBuf },
    #[error("{path} has {bytes} bytes; at most {LARGEST_FILE} are read")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} is no safetensors file: {why}")]
    Malformed { path: PathBuf, why: String },
    #[error("{path} holds `{name}` as {found}, which is not compared")]
    Element {
        path: PathBuf,
        name: String,
        found: String,
    },
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl TensorError {
    /// The cause in words that are the same wherever it occurs.
    pub fn phrase(&self) -> &'static str {
        match self {
            TensorError::Missing { .. } => "file missing",
            TensorError::NotPlain { .. } | TensorError::Outside { .. } => "not a plain file",
            TensorError::TooLarge { .. } => "file too large",
            TensorError::Malformed { .. } => "malformed file",
            TensorError::Element { .. } => "element type not compared",
            TensorError::Io { .. } => "file unreadable",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            TensorError::Missing { .. } => {
                "the job answered without writing this file: read its log, and check that every output is a tensor"
            }
            TensorError::NotPlain { .. } | TensorError::Outside { .. } => {
                "the job tried to have another file judged in place of its own: read the generated code before running it again"
            }
            TensorError::TooLarge { .. } => "make the plan's sizes smaller",
            TensorError::Malformed { .. } => {
                "the job wrote a broken file, or was cut off while it wrote: read its log"
            }
            TensorError::Element { .. } => {
                "have the model return booleans, whole numbers or floating numbers of 16 to 64 bits"
            }
            TensorError::Io { .. } => {
                "check the disk and the permissions of the work folder, then run again"
            }
        }
    }
}

/// Reads the tensors of `relative` below `root`, the folder of a job that has ended.
pub fn read(root: &Path, relative: &Path) -> Result<Tensors, TensorError> {
    let (mut file, path, bytes) = open_plain(root, relative, LARGEST_FILE)?;
    let mut content = Vec::new();
    let io = |source| TensorError::Io {
        path: path.clone(),
        source,
    };
    file.by_ref()
        .take(bytes)
        .read_to_end(&mut content)
        .map_err(io)?;
    parse(&content, &path)
}

/// Opens a plain file below `root` without following any link on the way; answers with its length.
///
/// The job that could swap a folder for a link has ended, so looking at each part first is no race.
pub fn open_plain(
    root: &Path,
    relative: &Path,
    largest: u64,
) -> Result<(File, PathBuf, u64), TensorError> {
    let mut path = root.to_owned();
    for part in relative.components() {
        let Component::Normal(part) = part else {
            return Err(TensorError::Outside {
                path: relative.to_owned(),
            });
        };
        path.push(part);
        let kind = fs::symlink_metadata(&path)
            .map_err(|source| missing(&path, source))?
            .file_type();
        if kind.is_symlink() {
            return Err(TensorError::NotPlain {
                path,
                what: "a symbolic link",
            });
        }
    }
    let file = OpenOptions::new()
        .read(true)
        // A pipe in the file's place must not make the judge wait.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(&path)
        .map_err(|source| missing(&path, source))?;
    let meta = file.metadata().map_err(|source| TensorError::Io {
        path: path.clone(),
        source,
    })?;
    if !meta.is_file() {
        return Err(TensorError::NotPlain {
            path,
            what: "a folder, a pipe or a device",
        });
    }
    if meta.nlink() > 1 {
        return Err(TensorError::NotPlain {
            path,
            what: "a second name of another file",
        });
    }
    if meta.len() > largest {
        return Err(TensorError::TooLarge {
            path,
            bytes: meta.len(),
        });
    }
    Ok((file, path, meta.len()))
}

fn missing(path: &Path, source: std::io::Error) -> TensorError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            TensorError::Missing { path }
        }
        _ => TensorError::Io { path, source },
    }
}

/// Reads the tensors of a file's content; `path` is only named in errors.
pub fn parse(content: &[u8], path: &Path) -> Result<Tensors, TensorError> {
    let malformed = |why: String| TensorError::Malformed {
        path: path.to_owned(),
        why,
    };
    let file = SafeTensors::deserialize(content).map_err(|error| malformed(error.to_string()))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let element = ElementType::of_file(view.dtype()).ok_or_else(|| TensorError::Element {
            path: path.to_owned(),
            name: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })?;
        tensors.insert(
            name.to_owned(),
            Tensor {
                element,
                shape: view.shape().to_vec(),
                data: widen(element, view.data()),
            },
        );
    }
    Ok(tensors)
}

/// Writes tensors as a safetensors file.
pub fn write(tensors: &Tensors, path: &Path) -> Result<(), TensorError> {
    let bytes: Vec<(&str, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), narrow(tensor)))
        .collect();
    let malformed = |error: safetensors::SafeTensorError| TensorError::Malformed {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), (_, bytes)) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(tensor.element.file(), tensor.shape.clone(), bytes)
            .map_err(malformed)?;
        views.push((name.as_str(), view));
    }
    let content = safetensors::serialize(views, None).map_err(malformed)?;
    fs::write(path, content).map_err(|source| TensorError::Io {
        path: path.to_owned(),
        source,
    })
}

fn widen(element: ElementType, bytes: &[u8]) -> Data {
    fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|chunk| convert(*chunk))
            .collect()
    }
    match element {
        ElementType::Bool => Data::Whole(each::<1, _>(bytes, |b| i64::from(b[0] != 0))),
        ElementType::Uint8 => Data::Whole(each::<1, _>(bytes, |b| i64::from(b[0]))),
        ElementType::Int8 => Data::Whole(each(bytes, |b| i64::from(i8::from_le_bytes(b)))),
        ElementType::Uint16 => Data::Whole(each(bytes, |b| i64::from(u16::from_le_bytes(b)))),
        ElementType::Int16 => Data::Whole(each(bytes, |b| i64::from(i16::from_le_bytes(b)))),
        ElementType::Uint32 => Data::Whole(each(bytes, |b| i64::from(u32::from_le_bytes(b)))),
        ElementType::Int32 => Data::Whole(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
        ElementType::Uint64 | ElementType::Int64 => Data::Whole(each(bytes, i64::from_le_bytes)),
        ElementType::Bfloat16 => Data::Floating(each(bytes, |b| bf16::from_le_bytes(b).to_f64())),
        ElementType::Float16 => Data::Floating(each(bytes, |b| f16::from_le_bytes(b).to_f64())),
        ElementType::Float32 => Data::Floating(each(bytes, |b| f64::from(f32::from_le_bytes(b)))),
        ElementType::Float64 => Data::Floating(each(bytes, f64::from_le_bytes)),
    }
}

fn narrow(tensor: &Tensor) -> Vec<u8> {
    match &tensor.data {
        Data::Whole(values) => values
            .iter()
            .flat_map(|value| {
                value.to_le_bytes().into_iter().take(match tensor.element {
                    ElementType::Bool | ElementType::Uint8 | ElementType::Int8 => 1,
                    ElementType::Uint16 | ElementType::Int16 => 2,
                    ElementType::Uint32 | ElementType::Int32 => 4,
                    _ => 8,
                })
            })
            .collect(),
        Data::Floating(values) => match tensor.element {
            ElementType::Bfloat16 => values
                .iter()
                .flat_map(|value| bf16::from_f64(*value).to_le_bytes())
                .collect(),
            ElementType::Float16 => values
                .iter()
                .flat_map(|value| f16::from_f64(*value).to_le_bytes())
                .collect(),
            ElementType::Float64 => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            _ => values
                .iter()
                .flat_map(|value| (*value as f32).to_le_bytes())
                .collect(),
        },
    }
}

#[cfg(test)]
#[path = "tensor_tests.rs"]
mod tests;

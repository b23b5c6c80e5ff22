//! Tensors whose values stay in their file.
//!
//! A model's outputs on all input sets have hundreds of megabytes, and the judge keeps those of the reference for as
//! long as a type is taken to the backends. So it holds only where they lie, and reads what it looks at.

use std::{
    collections::BTreeMap, fs::File, ops::Range, os::unix::fs::FileExt as _, path::Path,
    path::PathBuf, sync::Arc,
};

use safetensors::{SafeTensorError, tensor::Metadata};

use super::{Data, ElementType, LARGEST_FILE, TensorError, file::widen, open_plain};

/// The longest header that is parsed, enough for tens of thousands of tensors: what is parsed is held.
const LONGEST_HEADER: u64 = 4 << 20;

/// The bytes before the header, which tell its length.
const BEFORE_HEADER: u64 = 8;

/// A tensor whose values lie in a file. The file stays open, so that no other can be put in its place.
#[derive(Clone, Debug)]
pub struct Stored {
    pub element: ElementType,
    pub shape: Vec<usize>,
    /// The place of its first byte.
    from: u64,
    file: Arc<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    /// Only named in errors.
    path: PathBuf,
}

/// Opens the file of tensors `relative` below `root`, the folder of a job that has ended, and reads what it holds but
/// for the values.
pub fn open(root: &Path, relative: &Path) -> Result<BTreeMap<String, Stored>, TensorError> {
    let (file, path, length) = open_plain(root, relative, LARGEST_FILE)?;
    let file = Arc::new(Opened { file, path });
    let (metadata, values) = file.header(length)?;
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let Some(element) = ElementType::of_file(info.dtype) else {
            return Err(TensorError::Element {
                path: file.path.clone(),
                name,
                found: format!("{:?}", info.dtype),
            });
        };
        let stored = Stored {
            element,
            shape: info.shape.clone(),
            from: values + info.data_offsets.0 as u64,
            file: Arc::clone(&file),
        };
        tensors.insert(name, stored);
    }
    Ok(tensors)
}

impl Stored {
    /// How many values there are. The header was refused if this overflowed.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads the values at the places of `range`, each of which there is.
    pub fn read(&self, range: Range<usize>) -> Result<Data, TensorError> {
        let size = self.element.bytes();
        let mut bytes = vec![0; range.len() * size];
        let from = self.from + (range.start * size) as u64;
        self.file.read(&mut bytes, from)?;
        Ok(widen(self.element, &bytes))
    }
}

impl Opened {
    /// The header of a file of `length` bytes, and where its values begin. The crate's own reader of whole files checks
    /// the same, but wants all of the file in memory.
    fn header(&self, length: u64) -> Result<(Metadata, u64), TensorError> {
        let malformed = |error: SafeTensorError| TensorError::Malformed {
            path: self.path.clone(),
            why: error.to_string(),
        };
        let Some(after) = length.checked_sub(BEFORE_HEADER) else {
            return Err(malformed(SafeTensorError::HeaderTooSmall));
        };
        let mut size = [0; BEFORE_HEADER as usize];
        self.read(&mut size, 0)?;
        let size = u64::from_le_bytes(size);
        if size > LONGEST_HEADER {
            return Err(malformed(SafeTensorError::HeaderTooLarge));
        }
        let Some(values) = after.checked_sub(size) else {
            return Err(malformed(SafeTensorError::InvalidHeaderLength));
        };
        let mut text = vec![0; size as usize];
        self.read(&mut text, BEFORE_HEADER)?;
        let text = std::str::from_utf8(&text)
            .map_err(|error| malformed(SafeTensorError::InvalidHeader(error)))?;
        let metadata: Metadata = serde_json::from_str(text)
            .map_err(|error| malformed(SafeTensorError::InvalidHeaderDeserialization(error)))?;
        if metadata.data_len() as u64 != values {
            return Err(malformed(SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok((metadata, BEFORE_HEADER + size))
    }

    fn read(&self, bytes: &mut [u8], from: u64) -> Result<(), TensorError> {
        self.file
            .read_exact_at(bytes, from)
            .map_err(|source| TensorError::Io {
                path: self.path.clone(),
                source,
            })
    }
}

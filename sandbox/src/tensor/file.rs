//! Tensors in memory to and from the bytes of a safetensors file.

use std::{borrow::Borrow, collections::BTreeMap, path::Path};

use half::{bf16, f16};
use safetensors::{SafeTensors, tensor::TensorView};

use super::{Data, ElementType, Tensor, TensorError, Tensors};

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
pub fn write<T: Borrow<Tensor>>(
    tensors: &BTreeMap<String, T>,
    path: &Path,
) -> Result<(), TensorError> {
    let bytes: Vec<(&str, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), narrow(tensor.borrow())))
        .collect();
    let malformed = |error: safetensors::SafeTensorError| TensorError::Malformed {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), (_, bytes)) in tensors.iter().zip(&bytes) {
        let tensor: &Tensor = tensor.borrow();
        let view = TensorView::new(tensor.element.file(), tensor.shape.clone(), bytes)
            .map_err(malformed)?;
        views.push((name.as_str(), view));
    }
    // Written as it is made: the whole of a large file need not be in memory.
    safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => TensorError::Io {
            path: path.to_owned(),
            source,
        },
        error => malformed(error),
    })
}

/// The values of a tensor of this type whose bytes these are.
pub(super) fn widen(element: ElementType, bytes: &[u8]) -> Data {
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
            .flat_map(|value| value.to_le_bytes().into_iter().take(tensor.element.bytes()))
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

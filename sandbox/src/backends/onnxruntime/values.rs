//! Tensors to and from the runtime's values.

use half::{bf16, f16};
use ort::{
    session::SessionInputValue,
    value::{DynValue, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType},
};

use super::worker::{Failure, runtime};
use crate::tensor::{Data, ElementType, Tensor};

/// A tensor as the runtime takes it, of the very type it has in the file.
pub fn feed(tensor: &Tensor) -> Result<SessionInputValue<'static>, Failure> {
    fn value<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
        shape: &[usize],
        values: Vec<T>,
    ) -> Result<SessionInputValue<'static>, Failure> {
        OrtTensor::from_array((shape.to_vec(), values))
            .map(SessionInputValue::from)
            .map_err(runtime("execute"))
    }
    let shape = &tensor.shape;
    match &tensor.data {
        Data::Floating(values) => {
            let values = values.iter().copied();
            match tensor.element {
                ElementType::Float64 => value(shape, values.collect()),
                ElementType::Float16 => value(shape, values.map(f16::from_f64).collect()),
                ElementType::Bfloat16 => value(shape, values.map(bf16::from_f64).collect()),
                _ => value(shape, values.map(|v| v as f32).collect()),
            }
        }
        Data::Whole(values) => {
            let values = values.iter().copied();
            match tensor.element {
                ElementType::Bool => value(shape, values.map(|v| v != 0).collect()),
                ElementType::Uint8 => value(shape, values.map(|v| v as u8).collect()),
                ElementType::Int8 => value(shape, values.map(|v| v as i8).collect()),
                ElementType::Uint16 => value(shape, values.map(|v| v as u16).collect()),
                ElementType::Int16 => value(shape, values.map(|v| v as i16).collect()),
                ElementType::Uint32 => value(shape, values.map(|v| v as u32).collect()),
                ElementType::Int32 => value(shape, values.map(|v| v as i32).collect()),
                ElementType::Uint64 => value(shape, values.map(|v| v as u64).collect()),
                _ => value(shape, values.collect()),
            }
        }
    }
}

/// What the runtime returned under `name`.
pub fn fetch(name: &str, value: &DynValue) -> Result<Tensor, Failure> {
    fn read<T: PrimitiveTensorElementType, V>(
        value: &DynValue,
        convert: impl Fn(&T) -> V,
    ) -> Result<(Vec<usize>, Vec<V>), Failure> {
        let (shape, values) = value
            .try_extract_tensor::<T>()
            .map_err(runtime("read outputs"))?;
        // A shape of a value that exists has no free axis, so no size is negative.
        let shape = shape.iter().map(|size| *size as usize).collect();
        Ok((shape, values.iter().map(convert).collect()))
    }
    macro_rules! floating {
        ($element:ident, $type:ty, $convert:expr) => {{
            let (shape, values) = read::<$type, f64>(value, $convert)?;
            (ElementType::$element, shape, Data::Floating(values))
        }};
    }
    macro_rules! whole {
        ($element:ident, $type:ty) => {{
            let (shape, values) = read::<$type, i64>(value, |v| *v as i64)?;
            (ElementType::$element, shape, Data::Whole(values))
        }};
    }
    let (element, shape, data) = match value.dtype().tensor_type() {
        Some(TensorElementType::Float32) => floating!(Float32, f32, |v| f64::from(*v)),
        Some(TensorElementType::Float64) => floating!(Float64, f64, |v| *v),
        Some(TensorElementType::Float16) => floating!(Float16, f16, |v| v.to_f64()),
        Some(TensorElementType::Bfloat16) => floating!(Bfloat16, bf16, |v| v.to_f64()),
        Some(TensorElementType::Bool) => whole!(Bool, bool),
        Some(TensorElementType::Uint8) => whole!(Uint8, u8),
        Some(TensorElementType::Int8) => whole!(Int8, i8),
        Some(TensorElementType::Uint16) => whole!(Uint16, u16),
        Some(TensorElementType::Int16) => whole!(Int16, i16),
        Some(TensorElementType::Uint32) => whole!(Uint32, u32),
        Some(TensorElementType::Int32) => whole!(Int32, i32),
        Some(TensorElementType::Uint64) => whole!(Uint64, u64),
        Some(TensorElementType::Int64) => whole!(Int64, i64),
        _ => {
            return Err(Failure::new(
                "read outputs",
                "OutputError",
                format!(
                    "output `{name}` is {:?}, not a tensor that can be compared",
                    value.dtype()
                ),
            ));
        }
    };
    Ok(Tensor {
        element,
        shape,
        data,
    })
}

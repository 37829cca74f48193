//! Host tensors: a shape and row-major values in one of the device dtypes.

use half::f16;

use crate::error::{Error, Result};
use crate::shape::{Dims, checked_len};

/// The element types of device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 16-bit float; storage only.
    F16,
    /// Ids, labels, masks (0 and 1).
    I32,
    /// Random bits.
    U32,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        if self == Dtype::F16 { 2 } else { 4 }
    }

    /// The name used in files, tables and test rows.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::I32 => "i32",
            Dtype::U32 => "u32",
        }
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Values of a [`HostTensor`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Signed integers.
    I32(Vec<i32>),
    /// Unsigned integers.
    U32(Vec<u32>),
}

/// A tensor in host memory: row-major, in PyTorch's axis order.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    shape: Vec<usize>,
    data: Data,
}

impl HostTensor {
    /// A tensor of `shape` with `data`; an error if the counts differ.
    pub fn new(shape: &[usize], data: Data) -> Result<HostTensor> {
        let tensor = HostTensor { shape: shape.to_vec(), data };
        match checked_len(shape) {
            Some(n) if n == tensor.values() => Ok(tensor),
            _ => Err(Error::tensor("tensor", format!("{} values do not fill shape {}", tensor.values(), Dims(shape)))),
        }
    }

    /// An f32 tensor. Panics if the counts differ: use [`HostTensor::new`] for data from outside.
    pub fn f32(shape: &[usize], values: Vec<f32>) -> HostTensor {
        HostTensor::new(shape, Data::F32(values)).expect("bug: value count differs from shape")
    }

    /// An i32 tensor. Panics if the counts differ.
    pub fn i32(shape: &[usize], values: Vec<i32>) -> HostTensor {
        HostTensor::new(shape, Data::I32(values)).expect("bug: value count differs from shape")
    }

    /// A u32 tensor. Panics if the counts differ.
    pub fn u32(shape: &[usize], values: Vec<u32>) -> HostTensor {
        HostTensor::new(shape, Data::U32(values)).expect("bug: value count differs from shape")
    }

    /// An f16 tensor. Panics if the counts differ.
    pub fn f16(shape: &[usize], values: Vec<f16>) -> HostTensor {
        HostTensor::new(shape, Data::F16(values)).expect("bug: value count differs from shape")
    }

    /// `values`, rounded to `dtype` (floats to nearest even; integers must be whole and in range).
    pub fn from_f64(dtype: Dtype, shape: &[usize], values: &[f64]) -> HostTensor {
        let data = match dtype {
            Dtype::F32 => Data::F32(values.iter().map(|&v| v as f32).collect()),
            Dtype::F16 => Data::F16(values.iter().map(|&v| f16::from_f64(v)).collect()),
            Dtype::I32 => Data::I32(values.iter().map(|&v| v as i32).collect()),
            Dtype::U32 => Data::U32(values.iter().map(|&v| v as u32).collect()),
        };
        HostTensor::new(shape, data).expect("bug: value count differs from shape")
    }

    /// Zeros.
    pub fn zeros(dtype: Dtype, shape: &[usize]) -> HostTensor {
        HostTensor::from_f64(dtype, shape, &vec![0.0; shape.iter().product()])
    }

    fn values(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len(),
            Data::F16(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::U32(v) => v.len(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.values()
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.values() == 0
    }

    /// Size of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        match self.data {
            Data::F32(_) => Dtype::F32,
            Data::F16(_) => Dtype::F16,
            Data::I32(_) => Dtype::I32,
            Data::U32(_) => Dtype::U32,
        }
    }

    /// The values.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The f32 values, or an error that says what it is instead.
    pub fn as_f32(&self) -> Result<&[f32]> {
        match &self.data {
            Data::F32(v) => Ok(v),
            _ => Err(Error::tensor("tensor", format!("holds {}, not f32", self.dtype()))),
        }
    }

    /// The i32 values, or an error that says what it is instead.
    pub fn as_i32(&self) -> Result<&[i32]> {
        match &self.data {
            Data::I32(v) => Ok(v),
            _ => Err(Error::tensor("tensor", format!("holds {}, not i32", self.dtype()))),
        }
    }

    /// All values widened to f64; exact for every dtype.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Data::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        }
    }

    /// The bytes as the device sees them (little endian).
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(v) => bytemuck::cast_slice(v),
            Data::F16(v) => bytemuck::cast_slice(v),
            Data::I32(v) => bytemuck::cast_slice(v),
            Data::U32(v) => bytemuck::cast_slice(v),
        }
    }

    /// A tensor from device bytes; `bytes` may be longer than the values (padding to 4).
    pub fn from_bytes(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> HostTensor {
        let n: usize = shape.iter().product();
        let bytes = &bytes[..n * dtype.size()];
        let data = match dtype {
            Dtype::F32 => Data::F32(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::F16 => Data::F16(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::I32 => Data::I32(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::U32 => Data::U32(bytemuck::pod_collect_to_vec(bytes)),
        };
        HostTensor::new(shape, data).expect("bug: value count differs from shape")
    }

    /// The same values in another shape of equal count.
    pub fn reshape(self, shape: &[usize]) -> Result<HostTensor> {
        HostTensor::new(shape, self.data)
    }
}

//! Values for a shader's `Params` fields and overrides.

use crate::shape::Layout;

/// A 4-byte value for a `Params` field or an `override`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// u32 (and bool overrides: 0 or 1).
    U32(u32),
    /// i32.
    I32(i32),
    /// f32.
    F32(f32),
}

impl Scalar {
    /// A size or index. Plans refuse tensors of 2³¹ elements and more, so it fits.
    pub fn size(n: usize) -> Scalar {
        Scalar::U32(u32::try_from(n).expect("bug: a size above 2³² reached a shader"))
    }
    /// The four bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        match self {
            Scalar::U32(v) => v.to_le_bytes(),
            Scalar::I32(v) => v.to_le_bytes(),
            Scalar::F32(v) => v.to_le_bytes(),
        }
    }
    /// As the f64 a pipeline constant takes.
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::U32(v) => f64::from(v),
            Scalar::I32(v) => f64::from(v),
            Scalar::F32(v) => f64::from(v),
        }
    }
}

/// Values by name for a shader's `Params` fields and overrides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scalars(Vec<(String, Scalar)>);

impl Scalars {
    /// None yet.
    pub fn new() -> Scalars {
        Scalars(vec![])
    }
    /// With `name` set to `value`; a later value replaces an earlier one.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Scalar>) -> Scalars {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.to_owned(), value.into()));
        self
    }
    /// With the axes of `operands` for `lib/strided.wgsl`: sizes `n0…n7` (of the common shape), strides
    /// `<operand>0…<operand>7`, first elements `<operand>_offset`, and `RANK`. Axes are merged where all
    /// operands allow it and end at 7.
    #[must_use]
    pub fn axes(self, operands: &[(&str, &Layout)]) -> Scalars {
        let layouts: Vec<_> = operands.iter().map(|(_, l)| *l).collect();
        let merged = Layout::collapse(&layouts);
        let rank = merged[0].shape.len();
        let skip = crate::shape::MAX_RANK - rank;
        let mut all = self.set("RANK", rank);
        for axis in 0..crate::shape::MAX_RANK {
            let at = |v: &[usize], absent| axis.checked_sub(skip).map_or(absent, |i| v[i]);
            all = all.set(&format!("n{axis}"), at(&merged[0].shape, 1));
            for ((name, _), layout) in operands.iter().zip(&merged) {
                all = all.set(&format!("{name}{axis}"), at(&layout.strides, 0));
            }
        }
        for ((name, _), layout) in operands.iter().zip(&merged) {
            all = all.set(&format!("{name}_offset"), layout.offset);
        }
        all
    }
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<Scalar> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
    /// With all of `other`'s values, which replace equal names.
    #[must_use]
    pub fn extend(self, other: Scalars) -> Scalars {
        other.0.into_iter().fold(self, |all, (name, value)| all.set(&name, value))
    }
}

impl From<usize> for Scalar {
    fn from(n: usize) -> Scalar {
        Scalar::size(n)
    }
}
impl From<u32> for Scalar {
    fn from(n: u32) -> Scalar {
        Scalar::U32(n)
    }
}
impl From<i32> for Scalar {
    fn from(n: i32) -> Scalar {
        Scalar::I32(n)
    }
}
impl From<f32> for Scalar {
    fn from(n: f32) -> Scalar {
        Scalar::F32(n)
    }
}
impl From<f64> for Scalar {
    fn from(n: f64) -> Scalar {
        Scalar::F32(n as f32)
    }
}
impl From<bool> for Scalar {
    fn from(n: bool) -> Scalar {
        Scalar::U32(u32::from(n))
    }
}

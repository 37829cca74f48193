//! One use of a kernel, and what its reference sees of it.

use std::ops::Deref;

use super::{Kernel, Params, Value};
use crate::check::Tol;
use crate::shape::Layout;
use crate::tensor::Dtype;

/// Dtype and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Element type.
    pub dtype: Dtype,
    /// Size of each axis.
    pub shape: Vec<usize>,
}

impl Spec {
    /// A spec of `dtype` and `shape`.
    pub fn new(dtype: Dtype, shape: &[usize]) -> Spec {
        Spec { dtype, shape: shape.to_vec() }
    }
    /// An f32 spec.
    pub fn f32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::F32, shape)
    }
    /// An i32 spec.
    pub fn i32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::I32, shape)
    }
    /// A u32 spec.
    pub fn u32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::U32, shape)
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// True if an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes in device memory, a multiple of 4.
    pub fn bytes(&self) -> u64 {
        ((self.len() * self.dtype.size()) as u64).next_multiple_of(4)
    }
}

/// An input as a call sees it: dtype and layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, strides and offset.
    pub layout: Layout,
}

/// The rows of a split weight that one part of a dispatch handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First row.
    pub first: usize,
    /// Number of rows.
    pub rows: usize,
}

/// One use of a kernel: input operands, parameters and, once known, output specs.
#[derive(Debug, Clone)]
pub struct Call {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Inputs by port; `None` where an optional one is absent.
    pub inputs: Vec<Option<Operand>>,
    /// Output specs (empty while the shape rule runs).
    pub outputs: Vec<Spec>,
    /// Parameters.
    pub params: Params,
    /// The rows of the split input this dispatch handles; `None` for all.
    pub part: Option<Part>,
    /// The rows of the output this dispatch writes, of [`crate::kernel::Kernel::output_rows`]; `None` for all.
    pub rows: Option<Part>,
}

impl Call {
    /// The operand at port `i`; only for ports that are present.
    pub fn input(&self, i: usize) -> &Operand {
        match &self.inputs[i] {
            Some(operand) => operand,
            None => panic!("bug: {} has no input '{}'", self.kernel.name, self.kernel.inputs[i].name),
        }
    }
    /// True if the optional port `i` is present.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }
    /// Shape of the input at port `i`.
    pub fn shape(&self, i: usize) -> &[usize] {
        &self.input(i).layout.shape
    }
    /// Shape of output `i`.
    pub fn out(&self, i: usize) -> &[usize] {
        &self.outputs[i].shape
    }
    /// Spec of the input at port `i`.
    pub fn spec(&self, i: usize) -> Spec {
        Spec::new(self.input(i).dtype, self.shape(i))
    }
    /// An integer parameter.
    pub fn int(&self, name: &str) -> i64 {
        match self.params.get(name) {
            Some(Value::Int(v)) => *v,
            other => panic!("bug: {}: integer parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A real parameter.
    pub fn float(&self, name: &str) -> f64 {
        match self.params.get(name) {
            Some(Value::Float(v)) => *v,
            other => panic!("bug: {}: real parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A switch parameter.
    pub fn flag(&self, name: &str) -> bool {
        match self.params.get(name) {
            Some(Value::Flag(v)) => *v,
            other => panic!("bug: {}: switch parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A choice parameter.
    pub fn text(&self, name: &str) -> &str {
        match self.params.get(name) {
            Some(Value::Text(v)) => v,
            other => panic!("bug: {}: choice parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A list parameter.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.params.get(name) {
            Some(Value::Ints(v)) => v,
            other => panic!("bug: {}: list parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A list parameter whose values the shape rule found to be non-negative.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        self.ints(name).iter().map(|&v| v as usize).collect()
    }
    /// Bytes read and written once: every input's elements and every output's.
    pub fn bytes(&self) -> u64 {
        let inputs: usize = self.inputs.iter().flatten().map(|o| o.layout.len() * o.dtype.size()).sum();
        let outputs: usize = self.outputs.iter().map(|s| s.len() * s.dtype.size()).sum();
        (inputs + outputs) as u64
    }
}

/// A call with its input values: what a reference and a bound see. Inputs are dense and row-major,
/// already rounded to their storage dtype, integers as exact f64.
pub struct Ref<'a> {
    /// The call; its input layouts are contiguous.
    pub call: &'a Call,
    /// Values by port.
    pub inputs: &'a [Option<&'a [f64]>],
    /// Rounding model of the adapter the result is compared with.
    pub tol: Tol,
}

impl Ref<'_> {
    /// Values of the input at port `i`; only for ports that are present.
    pub fn f64(&self, i: usize) -> &[f64] {
        self.inputs[i].unwrap_or_else(|| panic!("bug: {} has no input {i}", self.call.kernel.name))
    }
    /// Values of the optional input at port `i`.
    pub fn opt(&self, i: usize) -> Option<&[f64]> {
        self.inputs.get(i).copied().flatten()
    }
}

impl Deref for Ref<'_> {
    type Target = Call;
    fn deref(&self) -> &Call {
        self.call
    }
}

//! Tensors from nothing. Shader: shaders/elementwise/fill.wgsl

use kernels_ref::elementwise as reference;

use super::cast::{named, unknown};
use super::unary::{elements, work};
use crate::check;
use crate::graph::{Graph, Tensor};
use crate::kernel::{Backward, Call, Default, Kernel, Param, Ref, Scalar, Scalars, Spec, Step, Variant};
use crate::tensor::Dtype;

/// Every element is `value`.
pub static FILL: Kernel = Kernel {
    name: "fill",
    params: &[
        Param::new("shape", Default::NeedInts),
        Param::new("value", Default::Float(0.0)),
        Param::new("dtype", Default::Text("f32")),
    ],
    shape: |c| {
        let dtype = dtype(c)?;
        whole(dtype, "value", c.float("value"))?;
        Ok(vec![Spec::new(dtype, &sizes(c.ints("shape"))?)])
    },
    scalars: |c| scalars(c, c.float("value"), 0.0),
    variants: &[Variant {
        shader: "elementwise/fill",
        steps: &[Step { entry: "fill", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 0),
    reference: |r| vec![reference::fill(r.outputs[0].len(), rounded(r.outputs[0].dtype, r.float("value")))],
    bound: |_, y| check::exact(y),
    backward: Backward::None("it has no inputs"),
    ..Kernel::BASE
};

/// `start, start + step, start + 2·step, …`
pub static IOTA: Kernel = Kernel {
    name: "iota",
    params: &[
        Param::new("n", Default::NeedInt),
        Param::new("start", Default::Float(0.0)),
        Param::new("step", Default::Float(1.0)),
        Param::new("dtype", Default::Text("i32")),
    ],
    shape: |c| {
        let dtype = dtype(c)?;
        let (n, start, step) = (c.int("n"), c.float("start"), c.float("step"));
        whole(dtype, "start", start)?;
        // A step back is a wrapped u32 to the shader.
        whole(if dtype == Dtype::U32 { Dtype::I32 } else { dtype }, "step", step)?;
        whole(dtype, "the last element", start + (n - 1).max(0) as f64 * step)?;
        Ok(vec![Spec::new(dtype, &sizes(&[n])?)])
    },
    scalars: |c| scalars(c, c.float("start"), c.float("step")),
    variants: &[Variant {
        shader: "elementwise/fill",
        steps: &[Step { entry: "iota", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 2),
    reference: |r| {
        let dtype = r.outputs[0].dtype;
        let (start, step) = (rounded(dtype, r.float("start")), rounded(dtype, r.float("step")));
        vec![reference::iota(r.outputs[0].len(), start, step)]
    },
    bound: iota_bound,
    backward: Backward::None("it has no inputs"),
    ..Kernel::BASE
};

/// The product rounds, then the sum; `i` itself is exact below 2²⁴.
fn iota_bound(r: &Ref, y: &[Vec<f64>]) -> Vec<Vec<f64>> {
    if r.outputs[0].dtype != Dtype::F32 {
        return check::exact(y);
    }
    let step = rounded(Dtype::F32, r.float("step"));
    let bound = |(i, &v): (usize, &f64)| {
        let product = i as f64 * step;
        let exact = [v, product, i as f64].iter().all(|&v| v == f64::from(v as f32));
        if exact { 0.0 } else { r.tol.rounded(v) + 2.0 * r.tol.rounded(product) }
    };
    vec![y[0].iter().enumerate().map(bound).collect()]
}

fn dtype(c: &Call) -> Result<Dtype, String> {
    named(c.text("dtype")).ok_or_else(|| unknown("dtype", c.text("dtype")))
}

fn whole(dtype: Dtype, what: &str, v: f64) -> Result<(), String> {
    let range = match dtype {
        Dtype::I32 => -2147483648.0..2147483648.0,
        Dtype::U32 => 0.0..4294967296.0,
        _ => return Ok(()),
    };
    let fits = v.fract() == 0.0 && range.contains(&v);
    if fits { Ok(()) } else { Err(format!("{what} is {v}, which is no {dtype}")) }
}

/// `shape` as sizes; the engine checks their product.
pub(in crate::kernels) fn sizes(shape: &[i64]) -> Result<Vec<usize>, String> {
    shape.iter().map(|&n| usize::try_from(n).map_err(|_| format!("shape {shape:?} has a negative size"))).collect()
}

/// What the device holds of `v`.
fn rounded(dtype: Dtype, v: f64) -> f64 {
    if dtype == Dtype::F32 { f64::from(v as f32) } else { v }
}

fn scalars(c: &Call, start: f64, step: f64) -> Scalars {
    let dtype = c.outputs[0].dtype;
    let bits = |v: f64| match dtype {
        Dtype::U32 if v >= 0.0 => v as u32,
        Dtype::U32 | Dtype::I32 => (v as i32) as u32,
        _ => (v as f32).to_bits(),
    };
    Scalars::new()
        .set("n", c.outputs[0].len())
        .set("start", Scalar::U32(bits(start)))
        .set("step", Scalar::U32(bits(step)))
        .set("IS_FLOAT", matches!(dtype, Dtype::F32 | Dtype::F16))
}

impl Graph {
    /// A tensor of `shape` whose every element is `value`.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if `value` is no `dtype`
    #[track_caller]
    pub fn fill(&self, dtype: Dtype, shape: &[usize], value: f64) -> Tensor<'_> {
        let params = [("shape", shape.into()), ("value", value.into()), ("dtype", dtype.name().into())];
        self.dispatch(&FILL, &[], &params)[0]
    }

    /// `start, start + step, …`: `n` elements.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an element is no `dtype`
    /// # Source
    /// NumPy `np.arange`
    #[track_caller]
    pub fn iota(&self, dtype: Dtype, n: usize, start: f64, step: f64) -> Tensor<'_> {
        let params = [("n", n.into()), ("start", start.into()), ("step", step.into()), ("dtype", dtype.name().into())];
        self.dispatch(&IOTA, &[], &params)[0]
    }
}

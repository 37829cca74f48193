//! The gradient of padding along an axis. Shader: shaders/layout/pad_backward.wgsl

use super::pad::{MODES, mode, outside};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, axis_index};

/// Adds up what arrives at the copies of each element along one axis.
pub static PAD_BACKWARD: Kernel = Kernel {
    name: "pad_backward",
    inputs: &[Port::f32("d_y")],
    outputs: &["d_x"],
    params: &[
        Param::new("axis", Default::NeedInt),
        Param::new("before", Default::NeedInt),
        Param::new("after", Default::NeedInt),
        Param::new("mode", Default::Text("constant")),
    ],
    shape,
    scalars: |c| {
        let (_, m, inner) = sizes(c);
        let added = |name: &str| c.int(name) as usize;
        Scalars::new()
            .set("n", c.outputs[0].len())
            .set("inner", inner)
            .set("m", m)
            .set("padded", added("before") + m + added("after"))
            .set("before", added("before"))
            .set("after", added("after"))
            .set("MODE", mode(c).unwrap_or(0))
    },
    variants: &[Variant {
        shader: "layout/pad_backward",
        steps: &[Step {
            entry: "pad_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| if c.text("mode") == "replicate" { (c.int("before") + c.int("after")) as u64 } else { 0 },
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| vec![adjoint(r, r.f64(0))],
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// The sizes outside, along and inside the axis of `d_x`.
fn sizes(c: &Call) -> (usize, usize, usize) {
    let (shape, axis) = (c.out(0), axis_index(c.int("axis"), c.shape(0).len()).unwrap_or(0));
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let Some(axis) = axis_index(c.int("axis"), c.shape(0).len()) else {
        return Err(format!("axis {} is not in {}", c.int("axis"), Dims(c.shape(0))));
    };
    let Some(mode) = mode(c) else {
        return Err(format!("mode '{}' is none of {}", c.text("mode"), MODES.join(", ")));
    };
    let (before, after, n) = (c.int("before"), c.int("after"), c.shape(0)[axis] as i64);
    // Reflection needs another element beyond the edge; a circle goes round once.
    let fits = |m: i64| match mode {
        1 => before.max(after) < m,
        3 => before.max(after) <= m,
        _ => m > 0,
    };
    let longest = i64::from(i32::MAX);
    if !(0..=longest).contains(&before) || !(0..=longest).contains(&after) || !fits(n - before - after) {
        return Err(format!("pads ({before}, {after}) do not end at {n} elements, mode {}", MODES[mode as usize]));
    }
    let mut out = c.spec(0);
    out.shape[axis] = (n - before - after) as usize;
    Ok(vec![out])
}

fn adjoint(r: &Ref, d_y: &[f64]) -> Vec<f64> {
    let (outer, m, inner) = sizes(r);
    let pads = (r.int("before") as usize, r.int("after") as usize);
    kernels_ref::layout::pad_backward(d_y, [outer, m, inner], pads, outside(mode(r).unwrap_or(0), 0.0))
}

/// One addend is copied; more are a sum.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let magnitudes = adjoint(r, &r.f64(0).iter().map(|d| d.abs()).collect::<Vec<_>>());
    let counts = adjoint(r, &vec![1.0; r.f64(0).len()]);
    let one = |i: usize| match counts[i] {
        1.0 => 0.0,
        count => r.tol.sum(count as usize, magnitudes[i], out[0][i]),
    };
    vec![(0..counts.len()).map(one).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::pad`] along one axis, of `before` and `after` elements; `self` is that of the result.
    ///
    /// # Shapes
    /// `self (…, before + n + after, …)` → `(…, n, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if no tensor is padded so
    #[track_caller]
    pub fn pad_backward(self, axis: i64, before: usize, after: usize, mode: &str) -> Tensor<'g> {
        let params = [("axis", axis.into()), ("before", before.into()), ("after", after.into()), ("mode", mode.into())];
        self.graph().dispatch(&PAD_BACKWARD, &[Some(self)], &params)[0]
    }
}

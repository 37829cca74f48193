//! Adding to states. Shader: shaders/optimizer/accumulate.wgsl

use crate::graph::Tensor;
use crate::kernel::{Backward, Grid, Kernel, Port, Scalars, Step, Variant, Work};
use crate::shape::Dims;

const STATE: usize = 0;
const X: usize = 1;
const KEEP: usize = 2;

/// Adds to a state, in place, or begins it anew.
pub static ACCUMULATE: Kernel = Kernel {
    name: "accumulate",
    inputs: &[Port::f32("state"), Port::f32("x"), Port::f32("keep")],
    outputs: &["state"],
    shape: |c| match (c.shape(STATE), c.shape(X), c.shape(KEEP)) {
        (state, x, [1]) if state == x => Ok(vec![c.spec(STATE)]),
        (state, x, keep) => {
            Err(format!("state {}, x {} and keep {} are not of one shape and (1,)", Dims(state), Dims(x), Dims(keep)))
        }
    },
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()),
    variants: &[Variant {
        shader: "optimizer/accumulate",
        steps: &[Step { entry: "accumulate", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 2 * c.outputs[0].len() as u64, bytes: 3 * c.outputs[0].bytes() },
    reference: |r| vec![kernels_ref::optimizer::accumulate(r.f64(STATE), r.f64(X), r.f64(KEEP)[0])],
    bound: |r, out| {
        let product = |s: f64| r.tol.rounded(r.f64(KEEP)[0] * s);
        let one = |(&s, &y): (&f64, &f64)| product(s) + r.tol.rounded(y);
        vec![r.f64(STATE).iter().zip(&out[0]).map(one).collect()]
    },
    backward: Backward::None("a state is kept for the next run"),
    in_place: &[(0, STATE)],
    ..Kernel::BASE
};

impl<'g> Tensor<'g> {
    /// The state `self` after `x` was added to `keep` times what it was; `x` alone where `keep` is 0.
    ///
    /// # Shapes
    /// `self` a state · `x` of its shape · `keep (1)` → the updated state
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ, or `self` is no state
    /// # Gradient
    /// None: a state is kept for the next run
    #[track_caller]
    pub fn accumulate(self, x: Tensor<'g>, keep: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&ACCUMULATE, &[Some(self), Some(x), Some(keep)], &[])[0]
    }
}

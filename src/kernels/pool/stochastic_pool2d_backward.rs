//! The gradient of stochastic pooling in evaluation. Shader: shaders/pool/stochastic_pool2d_backward.wgsl

use super::{checked, covering, covering_loops, pooled, scalars, window, window_loops};
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};
use crate::shape::Dims;

const X: usize = 0;
const Y: usize = 1;
const D_Y: usize = 2;

/// The gradient of the mean of every window under the probabilities of its elements.
pub static STOCHASTIC_POOL2D_BACKWARD: Kernel = Kernel {
    name: "stochastic_pool2d_backward",
    inputs: &[Port::f32("x"), Port::f32("y"), Port::f32("d_y")],
    outputs: &["d_x"],
    params: &[Param::new("kernel", Default::NeedInts), Param::new("stride", Default::Ints(&[]))],
    shape: |c| {
        let out = pooled(c, window(c)?.out);
        match [Y, D_Y].into_iter().find(|&port| c.shape(port) != out) {
            Some(port) => {
                Err(format!("{} is {}, expected {}", c.kernel.inputs[port].name, Dims(c.shape(port)), Dims(&out)))
            }
            None => Ok(vec![Spec::f32(c.shape(X))]),
        }
    },
    scalars,
    variants: &[Variant {
        shader: "pool/stochastic_pool2d_backward",
        steps: &[Step {
            entry: "stochastic_pool2d_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| covering_loops(&checked(c), window_loops(c)),
        }],
        ..Variant::BASE
    }],
    work: |c| Work {
        flops: c.outputs[0].len() as u64 * covering_loops(&checked(c), window_loops(c)),
        bytes: c.bytes(),
    },
    reference: |r| vec![kernels_ref::pool::stochastic_pool2d_backward(r.f64(X), r.f64(Y), r.f64(D_Y), &checked(r))],
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// A sum of `n` products `d · ((2a − y) / S)`: relative to each, the error of a sum `S` of `k` positive terms, of a
/// difference, a quotient and a product.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let window = checked(r);
    let n: usize = covering(&window).iter().product();
    let k = (window.kernel[0] * window.kernel[1]) as f64;
    let relative = r.tol.pick(4.0 * k.sqrt() + 6.0, 2.0 * k + 11.0) * U;
    let below: Vec<f64> = r.f64(Y).iter().map(|y| -y.abs()).collect(); // |2a − y| ≤ 2a + |y|
    let magnitudes: Vec<f64> = r.f64(D_Y).iter().map(|d| d.abs()).collect();
    let sums = kernels_ref::pool::stochastic_pool2d_backward(r.f64(X), &below, &magnitudes, &window);
    let largest = r.f64(D_Y).iter().fold(1.0, |m: f64, d| m.max(d.abs()));
    let flushed = 2.0 * n as f64 * largest * f64::from(f32::MIN_POSITIVE);
    vec![out[0].iter().zip(sums).map(|(&d, a)| r.tol.sum(n, a, d) + relative * a + flushed).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::stochastic_pool2d`] of `self` in evaluation, from its result `y` and that of it.
    ///
    /// `d_x_rq = Σ d_y_ij · (2·a_rq − y_ij) / S_ij over the windows (i, j) that cover (r, q)`, `a = max(x, 0)` and `S`
    /// its sum over the window; 0 where `x ≤ 0`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` · `y`, `d_y (B, C, OH, OW)` → `(B, C, IH, IW)`
    /// # Errors
    /// [`crate::Error::Graph`] if no window fits, or `y` or `d_y` has not one element a window
    /// # Gradient
    /// none
    /// # Source
    /// the derivative of Zeiler, Fergus 2013, arXiv:1301.3557, eq. 6
    #[track_caller]
    pub fn stochastic_pool2d_backward(
        self,
        y: Tensor<'g>,
        d_y: Tensor<'g>,
        kernel: [usize; 2],
        stride: [usize; 2],
    ) -> Tensor<'g> {
        let params = [("kernel", kernel.into()), ("stride", stride.into())];
        self.graph().dispatch(&STOCHASTIC_POOL2D_BACKWARD, &[Some(self), Some(y), Some(d_y)], &params)[0]
    }
}

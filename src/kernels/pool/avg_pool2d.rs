//! Average pooling. Shader: shaders/pool/avg_pool2d.wgsl

use super::{Pool2d, checked, pooled, scalars, window, window_loops};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};

/// The mean of every window.
pub static AVG_POOL2D: Kernel = Kernel {
    name: "avg_pool2d",
    inputs: &[Port::f32("x")],
    params: &[
        Param::new("kernel", Default::NeedInts),
        Param::new("stride", Default::Ints(&[])),
        Param::new("padding", Default::Ints(&[0, 0])),
        Param::new("ceil_mode", Default::Flag(false)),
        Param::new("count_include_pad", Default::Flag(true)),
    ],
    shape: |c| Ok(vec![Spec::f32(&pooled(c, window(c)?.out))]),
    scalars: |c| scalars(c).set("COUNT_INCLUDE_PAD", c.flag("count_include_pad")),
    variants: &[Variant {
        shader: "pool/avg_pool2d",
        steps: &[Step { entry: "avg_pool2d", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: window_loops }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.outputs[0].len() as u64 * window_loops(c), bytes: c.bytes() },
    reference: |r| vec![kernels_ref::pool::avg_pool2d(r.f64(0), &checked(r), r.flag("count_include_pad"))],
    bound,
    backward: Backward::Rule(|n| {
        let window = checked(n);
        vec![Some(n.d(0).avg_pool2d_backward(window.image, Pool2d::of(n, &window)))]
    }),
    ..Kernel::BASE
};

/// A sum over the window, then one quotient.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let window = checked(r);
    let n = window.kernel[0] * window.kernel[1];
    let magnitudes: Vec<f64> = r.f64(0).iter().map(|v| v.abs()).collect();
    let means = kernels_ref::pool::avg_pool2d(&magnitudes, &window, r.flag("count_include_pad"));
    let one = |(&y, a): (&f64, f64)| r.tol.sum(n, a, y) + r.tol.ulps(1.0, 2.5, y);
    vec![out[0].iter().zip(means).map(one).collect()]
}

impl<'g> Tensor<'g> {
    /// The mean of every window. Padding counts as 0; the divisor counts positions inside the padded image, or
    /// without `count_include_pad` those inside the image.
    ///
    /// `y_ij = 1/n · Σ over (u, v) of x[i·stride + u − padding, j·stride + v − padding]`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if no window fits, one has no element, padding passes half a window, or
    /// `dilation` is not 1
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.avg_pool2d`
    #[track_caller]
    pub fn avg_pool2d(self, pool: Pool2d) -> Tensor<'g> {
        if pool.dilation != [1, 1] {
            self.graph().reject("avg_pool2d", format!("dilation is {:?}, expected 1", pool.dilation));
        }
        let mut params = pool.window_params();
        params.push(("count_include_pad", pool.count_include_pad.into()));
        self.graph().dispatch(&AVG_POOL2D, &[Some(self)], &params)[0]
    }
}

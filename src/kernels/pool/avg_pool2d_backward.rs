//! The gradient of average pooling. Shader: shaders/pool/avg_pool2d_backward.wgsl

use super::{Pool2d, checked_back, covering, covering_loops, pooled, shared_bound, window_back, window_scalars};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};

/// Every window's gradient, shared out evenly.
pub static AVG_POOL2D_BACKWARD: Kernel = Kernel {
    name: "avg_pool2d_backward",
    inputs: &[Port::f32("d_y")],
    outputs: &["d_x"],
    params: &[
        Param::new("input_size", Default::NeedInts),
        Param::new("kernel", Default::NeedInts),
        Param::new("stride", Default::Ints(&[])),
        Param::new("padding", Default::Ints(&[0, 0])),
        Param::new("ceil_mode", Default::Flag(false)),
        Param::new("count_include_pad", Default::Flag(true)),
    ],
    shape: |c| Ok(vec![Spec::f32(&pooled(c, window_back(c)?.image))]),
    scalars: |c| window_scalars(c, &checked_back(c)).set("COUNT_INCLUDE_PAD", c.flag("count_include_pad")),
    variants: &[Variant {
        shader: "pool/avg_pool2d_backward",
        steps: &[Step {
            entry: "avg_pool2d_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| covering_loops(&checked_back(c), 0),
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.outputs[0].len() as u64 * 2 * covering_loops(&checked_back(c), 0), bytes: c.bytes() },
    reference: |r| vec![computed(r, r.f64(0))],
    bound: |r, out| {
        let magnitudes: Vec<f64> = r.f64(0).iter().map(|v| v.abs()).collect();
        let n = covering(&checked_back(r)).iter().product();
        vec![shared_bound(r, n, &out[0], &computed(r, &magnitudes))]
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn computed(r: &Ref, d_y: &[f64]) -> Vec<f64> {
    kernels_ref::pool::avg_pool2d_backward(d_y, &checked_back(r), r.flag("count_include_pad"))
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::avg_pool2d`] with respect to its image, from that of the means.
    ///
    /// `d_x_rq = Σ d_y_ij / n_ij over the windows (i, j) that cover (r, q)`, with the divisors of the means
    ///
    /// # Shapes
    /// `self (B, C, OH, OW)` → `(B, C, IH, IW)` with `[IH, IW] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if `self` has not one element a window
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.avg_pool2d`
    #[track_caller]
    pub fn avg_pool2d_backward(self, input_size: [usize; 2], pool: Pool2d) -> Tensor<'g> {
        let mut params = pool.window_params();
        params.extend([("count_include_pad", pool.count_include_pad.into()), ("input_size", input_size.into())]);
        self.graph().dispatch(&AVG_POOL2D_BACKWARD, &[Some(self)], &params)[0]
    }
}

//! The gradient of average pooling to a given size. Shader: shaders/pool/adaptive_avg_pool2d_backward.wgsl

use super::adaptive_avg_pool2d::fits;
use super::{image, input_size, pooled, shared_bound};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};

/// Every window's gradient, shared out evenly.
pub static ADAPTIVE_AVG_POOL2D_BACKWARD: Kernel = Kernel {
    name: "adaptive_avg_pool2d_backward",
    inputs: &[Port::f32("d_y")],
    outputs: &["d_x"],
    params: &[Param::new("input_size", Default::NeedInts)],
    shape: |c| {
        let (out, input) = (image(c)?, input_size(c)?);
        fits(input, out)?;
        Ok(vec![Spec::f32(&pooled(c, input))])
    },
    scalars: |c| {
        let (d_y, d_x) = (c.shape(0), c.out(0));
        let all = Scalars::new().set("n", c.outputs[0].len()).set("ih", d_x[2]).set("iw", d_x[3]);
        all.set("oh", d_y[2]).set("ow", d_y[3])
    },
    variants: &[Variant {
        shader: "pool/adaptive_avg_pool2d_backward",
        steps: &[Step {
            entry: "adaptive_avg_pool2d_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| holding(c)[0].saturating_mul(1 + holding(c)[1]),
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 2 * c.outputs[0].len() as u64 * holding(c)[0] * holding(c)[1], bytes: c.bytes() },
    reference: |r| vec![computed(r, r.f64(0))],
    bound: |r, out| {
        let magnitudes: Vec<f64> = r.f64(0).iter().map(|v| v.abs()).collect();
        let n = holding(r).iter().product::<u64>() as usize;
        vec![shared_bound(r, n, &out[0], &computed(r, &magnitudes))]
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// Windows that hold an element, vertically and horizontally, at most.
fn holding(c: &Call) -> [u64; 2] {
    [2, 3].map(|a| {
        let (n, m) = (c.out(0)[a], c.shape(0)[a]);
        (m.div_ceil(n) + usize::from(!m.is_multiple_of(n))).min(m) as u64
    })
}

fn computed(r: &Ref, d_y: &[f64]) -> Vec<f64> {
    let (out, input) = (r.shape(0), r.out(0));
    kernels_ref::pool::adaptive_avg_pool2d_backward(d_y, [input[2], input[3]], [out[2], out[3]])
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::adaptive_avg_pool2d`] with respect to its image, from that of the means.
    ///
    /// `d_x_rq = Σ d_y_ij / n_ij over the windows (i, j) that hold (r, q)`, `n` the elements of a window
    ///
    /// # Shapes
    /// `self (B, C, OH, OW)` → `(B, C, IH, IW)` with `[IH, IW] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if a size is 0
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.adaptive_avg_pool2d`
    #[track_caller]
    pub fn adaptive_avg_pool2d_backward(self, input_size: [usize; 2]) -> Tensor<'g> {
        let params = [("input_size", input_size.into())];
        self.graph().dispatch(&ADAPTIVE_AVG_POOL2D_BACKWARD, &[Some(self)], &params)[0]
    }
}

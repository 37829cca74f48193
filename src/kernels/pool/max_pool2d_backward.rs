//! The gradient of maximum pooling. Shader: shaders/pool/max_pool2d_backward.wgsl

use super::{Pool2d, checked_back, covering, covering_loops, pooled, window_back, window_scalars};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};
use crate::shape::Dims;

const D_Y: usize = 0;
const INDEX: usize = 1;

/// Every window's gradient at the element it took.
pub static MAX_POOL2D_BACKWARD: Kernel = Kernel {
    name: "max_pool2d_backward",
    inputs: &[Port::f32("d_y"), Port::i32("index")],
    outputs: &["d_x"],
    params: &[
        Param::new("input_size", Default::NeedInts),
        Param::new("kernel", Default::NeedInts),
        Param::new("stride", Default::Ints(&[])),
        Param::new("padding", Default::Ints(&[0, 0])),
        Param::new("dilation", Default::Ints(&[1, 1])),
        Param::new("ceil_mode", Default::Flag(false)),
    ],
    shape: |c| {
        let window = window_back(c)?;
        if c.shape(INDEX) != c.shape(D_Y) {
            return Err(format!("index is {}, expected {}", Dims(c.shape(INDEX)), Dims(c.shape(D_Y))));
        }
        Ok(vec![Spec::f32(&pooled(c, window.image))])
    },
    scalars: |c| window_scalars(c, &checked_back(c)),
    variants: &[Variant {
        shader: "pool/max_pool2d_backward",
        steps: &[Step {
            entry: "max_pool2d_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| covering_loops(&checked_back(c), 0),
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.spec(D_Y).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::pool::max_pool2d_backward(r.f64(D_Y), r.f64(INDEX), &checked_back(r))],
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// A sum over the windows that took the element.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let window = checked_back(r);
    let magnitudes: Vec<f64> = r.f64(D_Y).iter().map(|v| v.abs()).collect();
    let sums = kernels_ref::pool::max_pool2d_backward(&magnitudes, r.f64(INDEX), &window);
    let n = covering(&window).iter().product();
    vec![out[0].iter().zip(sums).map(|(&d, a)| r.tol.sum(n, a, d)).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::max_pool2d_with_index`] with respect to its image, from that of the maxima and their
    /// places.
    ///
    /// `d_x_rq = Σ d_y_ij over the windows (i, j) that cover (r, q) with index_ij = r · IW + q`
    ///
    /// # Shapes
    /// `self (B, C, OH, OW)` · `index` the same, i32 → `(B, C, IH, IW)` with `[IH, IW] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if `self` or `index` has not one element a window
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.max_pool2d`
    #[track_caller]
    pub fn max_pool2d_backward(self, index: Tensor<'g>, input_size: [usize; 2], pool: Pool2d) -> Tensor<'g> {
        let mut params = pool.window_params();
        params.extend([("dilation", pool.dilation.into()), ("input_size", input_size.into())]);
        self.graph().dispatch(&MAX_POOL2D_BACKWARD, &[Some(self), Some(index)], &params)[0]
    }
}

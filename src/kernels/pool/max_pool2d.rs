//! Maximum pooling. Shader: shaders/pool/max_pool2d.wgsl

use super::{Pool2d, checked, pooled, scalars, window, window_loops};
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Spec, Step, Variant, Work};

/// The largest element of every window, and where it is.
pub static MAX_POOL2D: Kernel = Kernel {
    name: "max_pool2d",
    inputs: &[Port::f32("x")],
    outputs: &["y", "index"],
    params: &[
        Param::new("kernel", Default::NeedInts),
        Param::new("stride", Default::Ints(&[])),
        Param::new("padding", Default::Ints(&[0, 0])),
        Param::new("dilation", Default::Ints(&[1, 1])),
        Param::new("ceil_mode", Default::Flag(false)),
    ],
    shape: |c| {
        let shape = pooled(c, window(c)?.out);
        Ok(vec![Spec::f32(&shape), Spec::i32(&shape)])
    },
    scalars,
    variants: &[Variant {
        shader: "pool/max_pool2d",
        steps: &[Step { entry: "max_pool2d", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: window_loops }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.outputs[0].len() as u64 * window_loops(c), bytes: c.bytes() },
    reference: |r| {
        let (y, index) = kernels_ref::pool::max_pool2d(r.f64(0), &checked(r));
        vec![y, index]
    },
    bound: |_, out| check::exact(out),
    backward: Backward::Rule(|n| {
        let window = checked(n);
        vec![n.d_opt(0).map(|d| d.max_pool2d_backward(n.y(1), window.image, Pool2d::of(n, &window)))]
    }),
    ..Kernel::BASE
};

impl<'g> Tensor<'g> {
    /// The largest element of every window. Padding counts as −∞; NaN is undefined.
    ///
    /// `y_ij = max over (u, v) of x[i·stride + u·dilation − padding, j·stride + v·dilation − padding]`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if no window fits, one has no element, or padding passes half a window
    /// # Gradient
    /// `x`; uses the saved `index`
    /// # Source
    /// PyTorch `F.max_pool2d`
    #[track_caller]
    pub fn max_pool2d(self, pool: Pool2d) -> Tensor<'g> {
        self.max_pool2d_with_index(pool).0
    }

    /// [`Tensor::max_pool2d`], and the place of each maximum: `row · IW + column`, the lowest of equals.
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` → twice `(B, C, OH, OW)`, the second i32
    /// # Errors
    /// as [`Tensor::max_pool2d`]
    /// # Source
    /// PyTorch `F.max_pool2d` with `return_indices=True`
    #[track_caller]
    pub fn max_pool2d_with_index(self, pool: Pool2d) -> (Tensor<'g>, Tensor<'g>) {
        let mut params = pool.window_params();
        params.push(("dilation", pool.dilation.into()));
        let outputs = self.graph().dispatch(&MAX_POOL2D, &[Some(self)], &params);
        (outputs[0], outputs[1])
    }
}

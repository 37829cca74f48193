//! Nearest-neighbour resizing. Shader: shaders/resize/resize_nearest.wgsl

use super::{grid, scalars, shape};
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Kernel, Port, Step, Variant, Work};
use crate::tensor::HostTensor;

/// An image of another size from its nearest elements, at tabled positions.
pub static RESIZE_NEAREST: Kernel = Kernel {
    name: "resize_nearest",
    inputs: &[Port::any32("x"), Port::i32("row"), Port::i32("column")],
    shape: |c| shape(c, [(1, None), (2, None)], &[]),
    scalars,
    variants: &[Variant {
        shader: "resize/resize_nearest",
        steps: &[Step { entry: "resize_nearest", grid, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: c.bytes() },
    reference: |r| {
        let (h, w) = (r.shape(0)[2], r.shape(0)[3]);
        vec![kernels_ref::resize::resize_nearest(r.f64(0), r.f64(1), r.f64(2), h, w)]
    },
    bound: |_, out| check::exact(out),
    backward: Backward::Rule(|n| {
        let size = [n.shape(0)[2], n.shape(0)[3]];
        vec![n.wanted(0, || n.d(0).resize_nearest_backward(n.x(1), n.x(2), size)), None, None]
    }),
    ..Kernel::BASE
};

impl<'g> Tensor<'g> {
    /// An image of another size from its nearest elements, at tabled positions.
    ///
    /// `y_ij = x[row_i, column_j]`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` · `rows (OH)` i32 · `columns (OW)` i32 → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if a table has another shape
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.interpolate(mode='nearest')`
    #[track_caller]
    pub fn resize_nearest(self, rows: HostTensor, columns: HostTensor) -> Tensor<'g> {
        let g = self.graph();
        g.dispatch(&RESIZE_NEAREST, &[Some(self), Some(g.constant(rows)), Some(g.constant(columns))], &[])[0]
    }
}

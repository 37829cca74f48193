//! Bicubic resizing. Shader: shaders/resize/resize_bicubic.wgsl

use super::{grid, scalars, shape};
use crate::graph::Tensor;
use crate::kernel::{Backward, Kernel, Port, Ref, Step, Variant, Work};
use crate::tensor::HostTensor;

const ROW: usize = 1;
const ROW_WEIGHT: usize = 2;
const COLUMN: usize = 3;
const COLUMN_WEIGHT: usize = 4;

/// An image of another size by cubic convolution along both axes, at tabled positions.
pub static RESIZE_BICUBIC: Kernel = Kernel {
    name: "resize_bicubic",
    inputs: &[
        Port::f32("x"),
        Port::i32("row"),
        Port::f32("row_weight"),
        Port::i32("column"),
        Port::f32("column_weight"),
    ],
    shape: |c| shape(c, [(ROW, Some(ROW_WEIGHT)), (COLUMN, Some(COLUMN_WEIGHT))], &[4]),
    scalars,
    variants: &[Variant {
        shader: "resize/resize_bicubic",
        steps: &[Step { entry: "resize_bicubic", grid, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 40 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (h, w) = (r.shape(0)[2], r.shape(0)[3]);
        vec![kernels_ref::resize::resize_bicubic(
            r.f64(0),
            r.f64(ROW),
            r.f64(ROW_WEIGHT),
            r.f64(COLUMN),
            r.f64(COLUMN_WEIGHT),
            h,
            w,
        )]
    },
    bound,
    // The tables are constants of the size.
    backward: Backward::Rule(|n| {
        let (rows, columns) = ((n.x(ROW), n.x(ROW_WEIGHT)), (n.x(COLUMN), n.x(COLUMN_WEIGHT)));
        let size = [n.shape(0)[2], n.shape(0)[3]];
        vec![n.wanted(0, || n.d(0).resize_bicubic_backward(rows, columns, size)), None, None, None, None]
    }),
    ..Kernel::BASE
};

/// Sixteen products of two weights: a dot product whose magnitudes are those of the weights and elements.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (h, w) = (r.shape(0)[2], r.shape(0)[3]);
    let magnitude = |port: usize| r.f64(port).iter().map(|v| v.abs()).collect::<Vec<f64>>();
    let sums = kernels_ref::resize::resize_bicubic(
        &magnitude(0),
        r.f64(ROW),
        &magnitude(ROW_WEIGHT),
        r.f64(COLUMN),
        &magnitude(COLUMN_WEIGHT),
        h,
        w,
    );
    vec![out[0].iter().zip(sums).map(|(&y, s)| r.tol.dot(16, s, y)).collect()]
}

impl<'g> Tensor<'g> {
    /// An image of another size by cubic convolution along both axes, at tabled positions.
    ///
    /// `y_ij = Σ_a Σ_b row_weight_ia · column_weight_jb · x[row_i − 1 + a, column_j − 1 + b]`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` · `rows`: positions `(OH)` i32 and weights `(OH, 4)` ·
    /// `columns`: the same of OW → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if a table has another shape
    /// # Gradient
    /// `x`
    /// # Source
    /// Keys 1981, eq. 15 · PyTorch `F.interpolate(mode='bicubic')`
    #[track_caller]
    pub fn resize_bicubic(self, rows: (HostTensor, HostTensor), columns: (HostTensor, HostTensor)) -> Tensor<'g> {
        let g = self.graph();
        let [(row, row_weight), (column, column_weight)] =
            [rows, columns].map(|(position, weight)| (g.constant(position), g.constant(weight)));
        g.dispatch(&RESIZE_BICUBIC, &[Some(self), Some(row), Some(row_weight), Some(column), Some(column_weight)], &[])
            [0]
    }
}

//! Bilinear resizing. Shader: shaders/resize/resize_bilinear.wgsl

use super::{grid, scalars, shape};
use crate::graph::Tensor;
use crate::kernel::{Backward, Kernel, Port, Ref, Step, Variant, Work};
use crate::tensor::HostTensor;

const ROW: usize = 1;
const ROW_WEIGHT: usize = 2;
const COLUMN: usize = 3;
const COLUMN_WEIGHT: usize = 4;

/// An image of another size by linear interpolation along both axes, at tabled positions.
pub static RESIZE_BILINEAR: Kernel = Kernel {
    name: "resize_bilinear",
    inputs: &[
        Port::f32("x"),
        Port::i32("row"),
        Port::f32("row_weight"),
        Port::i32("column"),
        Port::f32("column_weight"),
    ],
    shape: |c| shape(c, [(ROW, Some(ROW_WEIGHT)), (COLUMN, Some(COLUMN_WEIGHT))], &[]),
    scalars,
    variants: &[Variant {
        shader: "resize/resize_bilinear",
        steps: &[Step { entry: "resize_bilinear", grid, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 9 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (h, w) = (r.shape(0)[2], r.shape(0)[3]);
        vec![kernels_ref::resize::resize_bilinear(
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
        vec![n.wanted(0, || n.d(0).resize_bilinear_backward(rows, columns, size)), None, None, None, None]
    }),
    ..Kernel::BASE
};

/// Four products of two weights, each rounded: a dot product whose magnitudes are those of the weights and elements.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (h, w) = (r.shape(0)[2], r.shape(0)[3]);
    let magnitude = |port: usize| r.f64(port).iter().map(|v| v.abs()).collect::<Vec<f64>>();
    let sums = kernels_ref::resize::resize_bilinear(
        &magnitude(0),
        r.f64(ROW),
        &magnitude(ROW_WEIGHT),
        r.f64(COLUMN),
        &magnitude(COLUMN_WEIGHT),
        h,
        w,
    );
    vec![out[0].iter().zip(sums).map(|(&y, s)| r.tol.dot(6, s, y)).collect()]
}

impl<'g> Tensor<'g> {
    /// An image of another size by linear interpolation along both axes, at tabled positions.
    ///
    /// `y_ij = (1 − u)·((1 − v)·x_rc + v·x_rc′) + u·((1 − v)·x_r′c + v·x_r′c′)`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` · `rows`: positions `(OH)` i32 and weights `(OH)` ·
    /// `columns`: the same of OW → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if a table has another shape
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.interpolate(mode='bilinear')`
    #[track_caller]
    pub fn resize_bilinear(self, rows: (HostTensor, HostTensor), columns: (HostTensor, HostTensor)) -> Tensor<'g> {
        let g = self.graph();
        let [(row, row_weight), (column, column_weight)] =
            [rows, columns].map(|(position, weight)| (g.constant(position), g.constant(weight)));
        g.dispatch(&RESIZE_BILINEAR, &[Some(self), Some(row), Some(row_weight), Some(column), Some(column_weight)], &[])
            [0]
    }
}

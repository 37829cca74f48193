//! The gradient of nearest-neighbour resizing. Shader: shaders/resize/resize_nearest_backward.wgsl

use super::{COLUMNS, RANGE, bound_back, columns, ranges, rows, scalars_back, shape_back};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Kernel, Param, Port, Ref, Variant, Work};

const D_Y: usize = 0;
const ROW: usize = 1;
const COLUMN: usize = 2;

/// Every output's gradient, back to the element it took.
pub static RESIZE_NEAREST_BACKWARD: Kernel = Kernel {
    name: "resize_nearest_backward",
    inputs: &[Port::f32("d_y"), Port::i32("row"), Port::i32("column")],
    outputs: &["d_x"],
    params: &[Param::new("input_size", Default::NeedInts)],
    shape: |c| shape_back(c, [(ROW, None), (COLUMN, None)], &[]),
    scalars: scalars_back,
    variants: &[Variant {
        shader: "resize/resize_nearest_backward",
        steps: &[
            ranges("resize_nearest_backward_ranges"),
            columns("resize_nearest_backward_columns"),
            rows("resize_nearest_backward"),
        ],
        scratch: &[RANGE, COLUMNS],
        ..Variant::BASE
    }],
    work: |c| Work { flops: ((COLUMNS.spec)(c).len() + c.spec(D_Y).len()) as u64, bytes: c.bytes() },
    reference: |r| vec![computed(r, r.f64(D_Y))],
    bound: |r, out| {
        let magnitudes: Vec<f64> = r.f64(D_Y).iter().map(|v| v.abs()).collect();
        bound_back(r, [ROW, COLUMN], 1, &out[0], &computed(r, &magnitudes))
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn computed(r: &Ref, d_y: &[f64]) -> Vec<f64> {
    let (h, w) = (r.out(0)[2], r.out(0)[3]);
    kernels_ref::resize::resize_nearest_backward(d_y, r.f64(ROW), r.f64(COLUMN), h, w)
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::resize_nearest`] with respect to its image, from that of its result and the same tables.
    ///
    /// `d_x_rq = Σ_i Σ_j d_y_ij` over `row_i = r`, `column_j = q`
    ///
    /// # Shapes
    /// `self (B, C, OH, OW)` · `rows (OH)` i32 · `columns (OW)` i32 → `(B, C, IH, IW)` with `[IH, IW] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if `self` has another size than the tables
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.interpolate(mode='nearest')`
    #[track_caller]
    pub fn resize_nearest_backward(self, rows: Tensor<'g>, columns: Tensor<'g>, input_size: [usize; 2]) -> Tensor<'g> {
        let inputs = [Some(self), Some(rows), Some(columns)];
        self.graph().dispatch(&RESIZE_NEAREST_BACKWARD, &inputs, &[("input_size", input_size.into())])[0]
    }
}

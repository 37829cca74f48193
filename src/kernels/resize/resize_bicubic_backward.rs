//! The gradient of bicubic resizing. Shader: shaders/resize/resize_bicubic_backward.wgsl

use super::{COLUMNS, RANGE, bound_back, columns, ranges, rows, scalars_back, shape_back};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Kernel, Param, Port, Ref, Variant, Work};

const D_Y: usize = 0;
const ROW: usize = 1;
const ROW_WEIGHT: usize = 2;
const COLUMN: usize = 3;
const COLUMN_WEIGHT: usize = 4;

/// Every output's gradient, back to the sixteen elements it read.
pub static RESIZE_BICUBIC_BACKWARD: Kernel = Kernel {
    name: "resize_bicubic_backward",
    inputs: &[
        Port::f32("d_y"),
        Port::i32("row"),
        Port::f32("row_weight"),
        Port::i32("column"),
        Port::f32("column_weight"),
    ],
    outputs: &["d_x"],
    params: &[Param::new("input_size", Default::NeedInts)],
    shape: |c| shape_back(c, [(ROW, Some(ROW_WEIGHT)), (COLUMN, Some(COLUMN_WEIGHT))], &[4]),
    scalars: scalars_back,
    variants: &[Variant {
        shader: "resize/resize_bicubic_backward",
        steps: &[
            ranges("resize_bicubic_backward_ranges"),
            columns("resize_bicubic_backward_columns"),
            rows("resize_bicubic_backward"),
        ],
        scratch: &[RANGE, COLUMNS],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 8 * ((COLUMNS.spec)(c).len() + c.spec(D_Y).len()) as u64, bytes: c.bytes() },
    reference: |r| vec![computed(r, [r.f64(D_Y), r.f64(ROW_WEIGHT), r.f64(COLUMN_WEIGHT)])],
    bound: |r, out| {
        let [d_y, u, v] =
            [D_Y, ROW_WEIGHT, COLUMN_WEIGHT].map(|port| r.f64(port).iter().map(|v| v.abs()).collect::<Vec<f64>>());
        bound_back(r, [ROW, COLUMN], 4, &out[0], &computed(r, [&d_y, &u, &v]))
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn computed(r: &Ref, [d_y, row_weight, column_weight]: [&[f64]; 3]) -> Vec<f64> {
    let (h, w) = (r.out(0)[2], r.out(0)[3]);
    kernels_ref::resize::resize_bicubic_backward(d_y, r.f64(ROW), row_weight, r.f64(COLUMN), column_weight, h, w)
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::resize_bicubic`] with respect to its image, from that of its result and the same tables.
    ///
    /// `d_x_rq = Σ_i Σ_j f_ir · g_jq · d_y_ij`, where `f_ir` is the sum of `row_weight_ia` over the taps `a` whose
    /// `row_i − 1 + a`, cut to the image, is `r`, and `g` the same for columns
    ///
    /// # Shapes
    /// `self (B, C, OH, OW)` · `rows`: positions `(OH)` i32 and weights `(OH, 4)` ·
    /// `columns`: the same of OW → `(B, C, IH, IW)` with `[IH, IW] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if a table has another shape, or `self` another size than the tables
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.interpolate(mode='bicubic')`
    #[track_caller]
    pub fn resize_bicubic_backward(
        self,
        rows: (Tensor<'g>, Tensor<'g>),
        columns: (Tensor<'g>, Tensor<'g>),
        input_size: [usize; 2],
    ) -> Tensor<'g> {
        let inputs = [Some(self), Some(rows.0), Some(rows.1), Some(columns.0), Some(columns.1)];
        self.graph().dispatch(&RESIZE_BICUBIC_BACKWARD, &inputs, &[("input_size", input_size.into())])[0]
    }
}

//! The gradient of root-mean-square normalisation with respect to its weight. Shader:
//! shaders/norm/rms_norm_backward_w.wgsl

use super::{column_scalars, expect_rows, part_rows, parts_per_column, rows_cols, weight_error};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scratch, Spec, Step, Variant, Work};

const X: usize = 0;
const D_Y: usize = 1;
const RSTD: usize = 2;

/// The gradient of `rms_norm` with respect to `w`.
pub static RMS_NORM_BACKWARD_W: Kernel = Kernel {
    name: "rms_norm_backward_w",
    inputs: &[Port::f32("x"), Port::f32("d_y"), Port::f32("rstd")],
    outputs: &["d_w"],
    shape,
    scalars: column_scalars,
    variants: &[Variant {
        shader: "norm/rms_norm_backward_w",
        steps: &[
            Step {
                entry: "rms_norm_backward_w_parts",
                grid: |c| Grid::Threads((parts_per_column(c) * rows_cols(c).1) as u64),
                loops: |c| part_rows(c) as u64,
            },
            Step {
                entry: "rms_norm_backward_w",
                grid: |c| Grid::Threads(rows_cols(c).1 as u64),
                loops: |c| parts_per_column(c) as u64,
            },
        ],
        scratch: &[Scratch { name: "parts", spec: |c| Spec::f32(&[parts_per_column(c), rows_cols(c).1]) }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 3 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::norm::rms_norm_backward_w(r.f64(X), r.f64(D_Y), r.f64(RSTD), rows_cols(r).1)],
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    if c.shape(X).is_empty() {
        return Err("x has no axis".into());
    }
    expect_rows(c, D_Y, &[RSTD])?;
    let cols = rows_cols(c).1;
    Ok(vec![Spec::f32(&[cols])])
}

/// As of the gradient of [`super::layer_norm`].
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (rows, cols) = rows_cols(r);
    let term = |i: usize| (r.f64(D_Y)[i] * r.f64(X)[i] * r.f64(RSTD)[i / cols]).abs();
    let d_w = |c: usize| weight_error(r.tol, rows, (0..rows).map(|row| term(row * cols + c)).sum(), out[0][c]);
    vec![(0..cols).map(d_w).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::rms_norm`] of `self` with respect to `w`.
    ///
    /// `d_w = Σ_r d_y · x · rstd`, over all axes but the last
    ///
    /// # Shapes
    /// `self`, `d_y` `(…, C)` · `rstd (…)` → `(C)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4, differentiated
    #[track_caller]
    pub fn rms_norm_backward_w(self, d_y: Tensor<'g>, rstd: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&RMS_NORM_BACKWARD_W, &[Some(self), Some(d_y), Some(rstd)], &[])[0]
    }
}

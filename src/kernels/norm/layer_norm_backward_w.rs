//! The gradients of layer normalisation with respect to its weight and bias. Shader:
//! shaders/norm/layer_norm_backward_w.wgsl

use super::{column_scalars, expect_rows, part_rows, parts_per_column, rows_cols, weight_error};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scratch, Spec, Step, Variant, Work};

const X: usize = 0;
const D_Y: usize = 1;
const MEAN: usize = 2;
const RSTD: usize = 3;

/// The gradients of `layer_norm` with respect to `w` and `b`.
pub static LAYER_NORM_BACKWARD_W: Kernel = Kernel {
    name: "layer_norm_backward_w",
    inputs: &[Port::f32("x"), Port::f32("d_y"), Port::f32("mean"), Port::f32("rstd")],
    outputs: &["d_w", "d_b"],
    shape,
    scalars: column_scalars,
    variants: &[Variant {
        shader: "norm/layer_norm_backward_w",
        steps: &[
            Step {
                entry: "layer_norm_backward_w_parts",
                grid: |c| Grid::Threads((parts_per_column(c) * rows_cols(c).1) as u64),
                loops: |c| part_rows(c) as u64,
            },
            Step {
                entry: "layer_norm_backward_w",
                grid: |c| Grid::Threads(rows_cols(c).1 as u64),
                loops: |c| parts_per_column(c) as u64,
            },
        ],
        scratch: &[Scratch { name: "parts", spec: |c| Spec::f32(&[parts_per_column(c), 2, rows_cols(c).1]) }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 5 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let cols = rows_cols(r).1;
        let (d_w, d_b) = kernels_ref::norm::layer_norm_backward_w(r.f64(X), r.f64(D_Y), r.f64(MEAN), r.f64(RSTD), cols);
        vec![d_w, d_b]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    if c.shape(X).is_empty() {
        return Err("x has no axis".into());
    }
    expect_rows(c, D_Y, &[MEAN, RSTD])?;
    let cols = rows_cols(c).1;
    Ok(vec![Spec::f32(&[cols]), Spec::f32(&[cols])])
}

/// A product of `d_y` and a normalised element (difference, product), summed over the rows.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (rows, cols) = rows_cols(r);
    let normal = |i: usize| (r.f64(X)[i] - r.f64(MEAN)[i / cols]) * r.f64(RSTD)[i / cols];
    let over = |c: usize, term: &dyn Fn(usize) -> f64| (0..rows).map(|row| term(row * cols + c).abs()).sum::<f64>();
    let d_w = |c: usize| weight_error(r.tol, rows, over(c, &|i| r.f64(D_Y)[i] * normal(i)), out[0][c]);
    let d_b = |c: usize| r.tol.sum(rows, over(c, &|i| r.f64(D_Y)[i]), out[1][c]);
    vec![(0..cols).map(d_w).collect(), (0..cols).map(d_b).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradients of [`Tensor::layer_norm`] of `self` with respect to `w` and `b`.
    ///
    /// `d_w = Σ_r d_y · (x − mean) · rstd`, `d_b = Σ_r d_y`, over all axes but the last
    ///
    /// # Shapes
    /// `self`, `d_y` `(…, C)` · `mean`, `rstd` `(…)` → `[d_w (C), d_b (C)]`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 4, differentiated
    #[track_caller]
    pub fn layer_norm_backward_w(self, d_y: Tensor<'g>, mean: Tensor<'g>, rstd: Tensor<'g>) -> [Tensor<'g>; 2] {
        let inputs = [Some(self), Some(d_y), Some(mean), Some(rstd)];
        let outputs = self.graph().dispatch(&LAYER_NORM_BACKWARD_W, &inputs, &[]);
        [outputs[0], outputs[1]]
    }
}

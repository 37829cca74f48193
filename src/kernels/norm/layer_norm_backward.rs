//! The gradient of layer normalisation with respect to its input. Shader: shaders/norm/layer_norm_backward.wgsl

use super::{RowGradient, Sum, expect_rows, expect_vector, lanes, rows_cols};
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};

const X: usize = 0;
const W: usize = 1;
const D_Y: usize = 2;
const MEAN: usize = 3;
const RSTD: usize = 4;

/// The gradient of `layer_norm` with respect to `x`.
pub static LAYER_NORM_BACKWARD: Kernel = Kernel {
    name: "layer_norm_backward",
    inputs: &[Port::f32("x"), Port::f32("w").optional(), Port::f32("d_y"), Port::f32("mean"), Port::f32("rstd")],
    outputs: &["d_x"],
    shape,
    scalars: |c| {
        let (rows, cols) = rows_cols(c);
        Scalars::new().set("rows", rows).set("cols", cols).set("WG", lanes(cols) as u32)
    },
    variants: &[
        Variant {
            how: "direct",
            shader: "norm/layer_norm_backward",
            steps: &[Step {
                entry: "layer_norm_backward_direct",
                grid: |c| Grid::Threads(rows_cols(c).0 as u64),
                loops: |c| 2 * rows_cols(c).1 as u64,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "norm/layer_norm_backward",
            steps: &[Step {
                entry: "layer_norm_backward",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 2 * (rows_cols(c).1 as u64).div_ceil(lanes(rows_cols(c).1)) + 16,
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| Work { flops: 13 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let cols = rows_cols(r).1;
        vec![kernels_ref::norm::layer_norm_backward(r.f64(X), r.opt(W), r.f64(D_Y), r.f64(MEAN), r.f64(RSTD), cols)]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// Indices in the order direct, plain. Where barriers are dear, a lane a row pays from a subgroup's worth of rows on.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    usize::from(adapter.kind != AdapterKind::Cpu || rows_cols(c).0 < 8)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let Some((cols, _)) = c.shape(X).split_last() else { return Err("x has no axis".into()) };
    expect_vector(c, W, *cols)?;
    expect_rows(c, D_Y, &[MEAN, RSTD])?;
    Ok(vec![c.spec(X)])
}

/// As of [`RowGradient`].
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (cols, mut bounds) = (rows_cols(r).1, vec![]);
    for (row, (x, d_y)) in r.f64(X).chunks(cols).zip(r.f64(D_Y).chunks(cols)).enumerate() {
        let rstd = r.f64(RSTD)[row];
        let g: Vec<f64> = (0..cols).map(|c| d_y[c] * r.opt(W).map_or(1.0, |w| w[c])).collect();
        let normal: Vec<f64> = x.iter().map(|v| (v - r.f64(MEAN)[row]) * rstd).collect();
        let products: Vec<f64> = g.iter().zip(&normal).map(|(g, n)| g * n).collect();
        let row_gradient = RowGradient { scale: rstd, n: cols, sum: Sum::of(&g), dot: Sum::of(&products) };
        let one = |c: usize| row_gradient.bound(r.tol, g[c], normal[c], out[0][row * cols + c]);
        bounds.extend((0..cols).map(one));
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::layer_norm`] of `self` with respect to it.
    ///
    /// `d_x = rstd · (g − mean g − x̂ · mean (g · x̂))` with `g = d_y · w`, `x̂ = (x − mean) · rstd`
    ///
    /// # Shapes
    /// `self`, `d_y` `(…, C)` · `w (C)` · `mean`, `rstd` `(…)` → `(…, C)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 3–4, differentiated
    #[track_caller]
    pub fn layer_norm_backward(
        self,
        w: Option<Tensor<'g>>,
        d_y: Tensor<'g>,
        mean: Tensor<'g>,
        rstd: Tensor<'g>,
    ) -> Tensor<'g> {
        let inputs = [Some(self), w, Some(d_y), Some(mean), Some(rstd)];
        self.graph().dispatch(&LAYER_NORM_BACKWARD, &inputs, &[])[0]
    }
}

//! Root-mean-square normalisation. Shaders: shaders/norm/rms_norm.wgsl, rms_norm_vec4.wgsl,
//! rms_norm_subgroup.wgsl

use super::gradient::{slope, through_statistics};
use super::{EXCHANGES, choose_rows, expect_eps, expect_vector, fours, held, holds, lanes, rows_cols};
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};

const X: usize = 0;
const W: usize = 1;

/// Divides every row of the last axis by its root mean square, then scales.
pub static RMS_NORM: Kernel = Kernel {
    name: "rms_norm",
    inputs: &[Port::f32("x"), Port::f32("w").optional()],
    outputs: &["y", "rstd"],
    params: &[Param::new("eps", Default::Float(1e-6))],
    shape,
    scalars: |c| {
        let (rows, cols) = rows_cols(c);
        Scalars::new().set("rows", rows).set("cols", cols).set("eps", c.float("eps")).set("WG", lanes(cols) as u32)
    },
    variants: &[
        Variant {
            how: "direct",
            shader: "norm/rms_norm_vec4",
            applies: |c, _| fours(c),
            steps: &[Step {
                entry: "rms_norm_direct",
                grid: |c| Grid::Threads(rows_cols(c).0 as u64),
                loops: |c| 2 * rows_cols(c).1 as u64 / 4,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "subgroup",
            shader: "norm/rms_norm_subgroup",
            applies: |c, adapter| holds(rows_cols(c).1, adapter),
            steps: &[Step {
                entry: "rms_norm_subgroup",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |_| EXCHANGES,
            }],
            scalars: |c| Scalars::new().set("HELD", held(rows_cols(c).1)),
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "norm/rms_norm_vec4",
            applies: |c, _| fours(c),
            steps: &[Step {
                entry: "rms_norm_vec4",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 2 * (rows_cols(c).1 as u64 / 4).div_ceil(lanes(rows_cols(c).1)) + 16,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "norm/rms_norm",
            steps: &[Step {
                entry: "rms_norm",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 2 * (rows_cols(c).1 as u64).div_ceil(lanes(rows_cols(c).1)) + 16,
            }],
            ..Variant::BASE
        },
    ],
    choose: choose_rows,
    work: |c| Work { flops: 4 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (y, rstd) = kernels_ref::norm::rms_norm(r.f64(X), r.opt(W), rows_cols(r).1, r.float("eps"));
        vec![y, rstd]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let Some((cols, rows)) = c.shape(X).split_last() else { return Err("x has no axis to normalise".into()) };
    expect_eps(c)?;
    expect_vector(c, W, *cols)?;
    Ok(vec![c.spec(X), Spec::f32(rows)])
}

/// `|r|·((2√n + 3)·u + 2·2⁻²³)`.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = rows_cols(r).1 as f64;
    let relative = r.tol.pick(1.0, 4.0) * ((2.0 * n.sqrt() + 3.0) * U + 4.0 * U);
    crate::check::each(out, |v| v.abs() * relative + r.tol.ulps(0.0, 0.0, v))
}

fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (x, d, rstd) = (n.x(X), n.d(0), n.y(1));
    let d_x = n.wanted(X, || {
        let d_x = x.rms_norm_backward(n.opt(W), d, rstd);
        let slope = n.d_opt(1).map(|d| slope(rstd, d).unsqueeze(-1));
        through_statistics(d_x, None, || x, slope, rows_cols(n).1)
    });
    vec![d_x, n.wanted(W, || x.rms_norm_backward_w(d, rstd))]
}

impl<'g> Tensor<'g> {
    /// Divides every row of the last axis by its root mean square, then scales.
    ///
    /// `y = x / √(mean x² + eps) · w`
    ///
    /// # Shapes
    /// `self (…, C)` · `w (C)` → `(…, C)`
    /// # Errors
    /// [`crate::Error::Graph`] if `w` is not `(C)`
    /// # Gradient
    /// `x`, `w`; uses the saved `rstd`
    /// # Source
    /// Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4 · PyTorch `F.rms_norm` (whose default `eps` is 2⁻²³)
    #[track_caller]
    pub fn rms_norm(self, w: Option<Tensor<'g>>, eps: f64) -> Tensor<'g> {
        self.graph().dispatch(&RMS_NORM, &[Some(self), w], &[("eps", eps.into())])[0]
    }
}

//! Layer normalisation. Shaders: shaders/norm/layer_norm.wgsl, layer_norm_vec4.wgsl,
//! layer_norm_subgroup.wgsl

use super::gradient::{slope, through_statistics};
use super::{
    EXCHANGES, affine_error, choose_rows, expect_eps, expect_vector, fours, held, holds, lanes, normal_error,
    rows_cols, statistics_error,
};
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;

/// Gives every row of the last axis zero mean and unit variance, then scales and shifts.
pub static LAYER_NORM: Kernel = Kernel {
    name: "layer_norm",
    inputs: &[Port::f32("x"), Port::f32("w").optional(), Port::f32("b").optional()],
    outputs: &["y", "mean", "rstd"],
    params: &[Param::new("eps", Default::Float(1e-5))],
    shape,
    scalars: |c| {
        let (rows, cols) = rows_cols(c);
        Scalars::new().set("rows", rows).set("cols", cols).set("eps", c.float("eps")).set("WG", lanes(cols) as u32)
    },
    variants: &[
        Variant {
            how: "direct",
            shader: "norm/layer_norm_vec4",
            applies: |c, _| fours(c),
            steps: &[Step {
                entry: "layer_norm_direct",
                grid: |c| Grid::Threads(rows_cols(c).0 as u64),
                loops: |c| 3 * rows_cols(c).1 as u64 / 4,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "subgroup",
            shader: "norm/layer_norm_subgroup",
            applies: |c, adapter| holds(rows_cols(c).1, adapter),
            steps: &[Step {
                entry: "layer_norm_subgroup",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |_| EXCHANGES,
            }],
            scalars: |c| Scalars::new().set("HELD", held(rows_cols(c).1)),
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "norm/layer_norm_vec4",
            applies: |c, _| fours(c),
            steps: &[Step {
                entry: "layer_norm_vec4",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 3 * (rows_cols(c).1 as u64 / 4).div_ceil(lanes(rows_cols(c).1)) + 16,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "norm/layer_norm",
            steps: &[Step {
                entry: "layer_norm",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 3 * (rows_cols(c).1 as u64).div_ceil(lanes(rows_cols(c).1)) + 16,
            }],
            ..Variant::BASE
        },
    ],
    choose: choose_rows,
    work: |c| Work { flops: 8 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let cols = rows_cols(r).1;
        let (y, mean, rstd) = kernels_ref::norm::layer_norm(r.f64(X), r.opt(W), r.opt(B), cols, r.float("eps"));
        vec![y, mean, rstd]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let Some((cols, rows)) = c.shape(X).split_last() else { return Err("x has no axis to normalise".into()) };
    expect_eps(c)?;
    expect_vector(c, W, *cols)?;
    expect_vector(c, B, *cols)?;
    Ok(vec![c.spec(X), Spec::f32(rows), Spec::f32(rows)])
}

/// `8·u·√n·max|x|/σ + 4 ulp`, scaled by the weight; `mean` as a sum, `rstd` through the variance.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (cols, tol) = (rows_cols(r).1, r.tol);
    let (mut dy, mut dm, mut dr) = (vec![], vec![], vec![]);
    for (row, x) in r.f64(X).chunks(cols).enumerate() {
        let error = normal_error(tol, x, out[2][row]);
        for c in 0..cols {
            let (w, b) = (r.opt(W).map_or(1.0, |w| w[c]), r.opt(B).map_or(0.0, |b| b[c]));
            dy.push(affine_error(tol, error, out[0][row * cols + c], w, b));
        }
        let (m, s) = statistics_error(tol, x, out[1][row], out[2][row]);
        dm.push(m);
        dr.push(s);
    }
    vec![dy, dm, dr]
}

fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (x, d, mean, rstd) = (n.x(X), n.d(0), n.y(1), n.y(2));
    let last = |t: Tensor<'g>| t.unsqueeze(-1);
    let d_x = n.wanted(X, || {
        let d_x = x.layer_norm_backward(n.opt(W), d, mean, rstd);
        let slope = n.d_opt(2).map(|d| last(slope(rstd, d)));
        through_statistics(d_x, n.d_opt(1).map(last), || x - last(mean), slope, rows_cols(n).1)
    });
    if !n.wants(W) && !n.wants(B) {
        return vec![d_x, None, None];
    }
    let [d_w, d_b] = x.layer_norm_backward_w(d, mean, rstd);
    vec![d_x, Some(d_w), Some(d_b)]
}

impl<'g> Tensor<'g> {
    /// Gives every row of the last axis zero mean and unit variance, then scales and shifts.
    ///
    /// `y = (x − mean) / √(var + eps) · w + b`
    ///
    /// # Shapes
    /// `self (…, C)` · `w (C)` · `b (C)` → `(…, C)`
    /// # Errors
    /// [`crate::Error::Graph`] if `w` or `b` is not `(C)`
    /// # Gradient
    /// `x`, `w`, `b`; uses the saved `mean`, `rstd`
    /// # Source
    /// Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 3–4 · PyTorch `F.layer_norm`
    #[track_caller]
    pub fn layer_norm(self, w: Option<Tensor<'g>>, b: Option<Tensor<'g>>, eps: f64) -> Tensor<'g> {
        self.graph().dispatch(&LAYER_NORM, &[Some(self), w, b], &[("eps", eps.into())])[0]
    }
}

//! Layer normalisation. Shader: shaders/norm/layer_norm.wgsl

use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;
const WG: u64 = 64;

/// Gives every row of the last axis zero mean and unit variance, then scales and shifts.
pub static LAYER_NORM: Kernel = Kernel {
    name: "layer_norm",
    inputs: &[Port::f32("x"), Port::f32("w").optional(), Port::f32("b").optional()],
    outputs: &["y", "mean", "rstd"],
    params: &[Param::new("eps", Default::Float(1e-5))],
    shape,
    scalars: |c| Scalars::new().set("rows", rows(c)).set("cols", cols(c)).set("eps", c.float("eps")),
    variants: &[Variant {
        shader: "norm/layer_norm",
        steps: &[Step {
            entry: "layer_norm",
            grid: |c| Grid::Groups(rows(c) as u64),
            loops: |c| 3 * (cols(c) as u64).div_ceil(WG) + 16,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 8 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (y, mean, rstd) = kernels_ref::norm::layer_norm(r.f64(X), r.opt(W), r.opt(B), cols(r), r.float("eps"));
        vec![y, mean, rstd]
    },
    bound,
    ..Kernel::BASE
};

fn cols(c: &Call) -> usize {
    c.shape(X).last().copied().unwrap_or(1)
}

fn rows(c: &Call) -> usize {
    c.spec(X).len() / cols(c)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let x = c.shape(X);
    let Some((last, rows)) = x.split_last() else { return Err("x has no axis to normalise".into()) };
    for (port, name) in [(W, "w"), (B, "b")] {
        if c.has(port) && c.shape(port) != [*last] {
            return Err(format!("{name} is {}, expected {} for x {}", Dims(c.shape(port)), Dims(&[*last]), Dims(x)));
        }
    }
    Ok(vec![c.spec(X), Spec::f32(rows), Spec::f32(rows)])
}

/// `8·u·√n·max|x|/σ + 4 ulp`, scaled by the weight; `mean` as a sum, `rstd` through the variance.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (c, t) = (cols(r), r.tol);
    let (mut dy, mut dm, mut dr) = (vec![], vec![], vec![]);
    for (row, x) in r.f64(X).chunks(c).enumerate() {
        let largest = x.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        let rstd = out[2][row];
        let normal = t.pick(8.0, 32.0) * U * (c as f64).sqrt() * largest * rstd;
        for i in 0..c {
            let w = r.opt(W).map_or(1.0, |w| w[i]);
            let y = out[0][row * c + i];
            let b = r.opt(B).map_or(0.0, |b| b[i]);
            dy.push(normal * w.abs() + t.ulps(4.0, 16.0, y) + t.ulps(1.0, 4.0, y - b));
        }
        dm.push(t.sum(c, x.iter().map(|v| v.abs()).sum::<f64>() / c as f64, out[1][row]));
        dr.push((normal + t.pick(4.0, 16.0) * 2.0 * U) * rstd);
    }
    vec![dy, dm, dr]
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

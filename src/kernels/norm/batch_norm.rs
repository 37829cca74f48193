//! Batch normalisation by given statistics. Shaders: shaders/norm/batch_norm.wgsl, batch_norm_vec4.wgsl

use super::gradient::{beside, of_channels};
use super::{channels_space, expect_eps, expect_vector};
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Fusion, Grid, Kernel, Param, Port, Ref, Role, Scalars, Spec, Step, Variant, Work,
};

const X: usize = 0;
const MEAN: usize = 1;
const VARIANCE: usize = 2;
const W: usize = 3;
const B: usize = 4;

/// Normalises every channel by given statistics, then scales and shifts: evaluation mode.
pub static BATCH_NORM: Kernel = Kernel {
    name: "batch_norm",
    inputs: &[
        Port::f32("x"),
        Port::f32("mean"),
        Port::f32("variance"),
        Port::f32("w").optional(),
        Port::f32("b").optional(),
    ],
    params: &[Param::new("eps", Default::Float(1e-5))],
    shape,
    scalars: |c| {
        let (channels, space) = (c.shape(X)[1], c.shape(X)[2..].iter().product::<usize>());
        Scalars::new()
            .set("n", c.spec(X).len())
            .set("channels", channels)
            .set("space", space)
            .set("eps", c.float("eps"))
    },
    variants: &[
        Variant {
            how: "vec4",
            shader: "norm/batch_norm_vec4",
            applies: |c, _| c.shape(X)[2..].iter().product::<usize>().is_multiple_of(4),
            steps: &[Step {
                entry: "batch_norm_vec4",
                grid: |c| Grid::Threads(c.spec(X).len() as u64 / 4),
                loops: |_| 0,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "norm/batch_norm",
            steps: &[Step { entry: "batch_norm", grid: |c| Grid::Threads(c.spec(X).len() as u64), loops: |_| 0 }],
            ..Variant::BASE
        },
    ],
    work: |c| Work { flops: 6 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let space = r.shape(X)[2..].iter().product();
        let (mean, variance) = (r.f64(MEAN), r.f64(VARIANCE));
        vec![kernels_ref::norm::batch_norm(r.f64(X), mean, variance, r.opt(W), r.opt(B), space, r.float("eps"))]
    },
    bound,
    backward: Backward::Rule(backward),
    fusion: Fusion { role: Role::ChannelAffine(affine), ..Fusion::NONE },
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    expect_eps(c)?;
    for port in [MEAN, VARIANCE, W, B] {
        expect_vector(c, port, channels)?;
    }
    Ok(vec![c.spec(X)])
}

/// `y = x · scale[c] + shift[c]`.
fn affine(r: &Ref) -> (Vec<f64>, Vec<f64>) {
    (0..r.f64(MEAN).len())
        .map(|c| {
            let scale = r.opt(W).map_or(1.0, |w| w[c]) / (r.f64(VARIANCE)[c] + r.float("eps")).sqrt();
            (scale, r.opt(B).map_or(0.0, |b| b[c]) - r.f64(MEAN)[c] * scale)
        })
        .unzip()
}

/// Six roundings of the product (difference, sum under the root, root, quotient, two products), one of the sum.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (channels, space) = (r.shape(X)[1], r.shape(X)[2..].iter().product::<usize>());
    let one = |(i, &y): (usize, &f64)| {
        let b = r.opt(B).map_or(0.0, |b| b[i / space % channels]);
        r.tol.ulps(4.0, 12.0, y - b) + r.tol.rounded(y)
    };
    vec![out[0].iter().enumerate().map(one).collect()]
}

/// With `r = 1/√(variance + eps)`: `d_x = d_y · w · r`, `d_mean = −w · r · d_b`, `d_variance = −½ · w · r² · d_w`.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (x, d) = (n.x(X), n.d(0));
    let rstd = (n.x(VARIANCE) + n.float("eps")).rsqrt();
    let scale = n.opt(W).map_or(rstd, |w| w * rstd);
    let d_x = n.wanted(X, || d * beside(scale, n.shape(X)));
    if (MEAN..=B).all(|port| !n.wants(port)) {
        return vec![d_x, None, None, None, None];
    }
    let [d_w, d_b] = of_channels(x, d, n.x(MEAN), rstd);
    let d_mean = n.wanted(MEAN, || -(scale * d_b));
    let d_variance = n.wanted(VARIANCE, || scale * rstd * d_w * -0.5);
    vec![d_x, d_mean, d_variance, Some(d_w), Some(d_b)]
}

impl<'g> Tensor<'g> {
    /// Normalises every channel by given statistics, then scales and shifts: evaluation mode.
    ///
    /// `y = (x − mean) / √(variance + eps) · w + b`
    ///
    /// # Shapes
    /// `self (B, C, …)` · `mean`, `variance`, `w`, `b` each `(C)` → `(B, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if a vector is not `(C)`
    /// # Gradient
    /// `x`, `mean`, `variance`, `w`, `b`
    /// # Source
    /// Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 2 · PyTorch `F.batch_norm` with `training=False`
    #[track_caller]
    pub fn batch_norm(
        self,
        mean: Tensor<'g>,
        variance: Tensor<'g>,
        w: Option<Tensor<'g>>,
        b: Option<Tensor<'g>>,
        eps: f64,
    ) -> Tensor<'g> {
        let inputs = [Some(self), Some(mean), Some(variance), w, b];
        self.graph().dispatch(&BATCH_NORM, &inputs, &[("eps", eps.into())])[0]
    }
}

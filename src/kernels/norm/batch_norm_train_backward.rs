//! The gradient of batch normalisation in training mode with respect to its input. Shader:
//! shaders/norm/batch_norm_train_backward.wgsl

use super::{RowGradient, Sum, channels_space, expect_like_x, expect_vector, places};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};

const X: usize = 0;
const W: usize = 1;
const D_Y: usize = 2;
const MEAN: usize = 3;
const RSTD: usize = 4;
const D_W: usize = 5;
const D_B: usize = 6;

/// The gradient of `batch_norm_train` with respect to `x`.
pub static BATCH_NORM_TRAIN_BACKWARD: Kernel = Kernel {
    name: "batch_norm_train_backward",
    inputs: &[
        Port::f32("x"),
        Port::f32("w").optional(),
        Port::f32("d_y"),
        Port::f32("mean"),
        Port::f32("rstd"),
        Port::f32("d_w"),
        Port::f32("d_b"),
    ],
    outputs: &["d_x"],
    shape,
    scalars: |c| {
        let (channels, space) = channels_space(c).unwrap_or((1, 1));
        let n = c.spec(X).len();
        Scalars::new().set("n", n).set("channels", channels).set("space", space).set("cols", n / channels)
    },
    variants: &[Variant {
        shader: "norm/batch_norm_train_backward",
        steps: &[Step {
            entry: "batch_norm_train_backward",
            grid: |c| Grid::Threads(c.spec(X).len() as u64),
            loops: |_| 0,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 9 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (_, space) = channels_space(r).unwrap_or((1, 1));
        let statistics = (r.f64(MEAN), r.f64(RSTD));
        let sums = (r.f64(D_W), r.f64(D_B));
        vec![kernels_ref::norm::batch_norm_train_backward(r.f64(X), r.opt(W), r.f64(D_Y), statistics, sums, space)]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    expect_like_x(c, D_Y)?;
    for port in [W, MEAN, RSTD, D_W, D_B] {
        expect_vector(c, port, channels)?;
    }
    Ok(vec![c.spec(X)])
}

/// As of [`RowGradient`], the sums being given.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (channels, space) = channels_space(r).unwrap_or((1, 1));
    let len = out[0].len();
    let mut bounds = vec![0.0; len];
    for c in 0..channels {
        let (mean, rstd) = (r.f64(MEAN)[c], r.f64(RSTD)[c]);
        let given = |v: f64| Sum { terms: 0, value: v, magnitude: v.abs() };
        let gradient = RowGradient {
            scale: r.opt(W).map_or(1.0, |w| w[c]) * rstd,
            n: len / channels,
            sum: given(r.f64(D_B)[c]),
            dot: given(r.f64(D_W)[c]),
        };
        for i in places(len, channels, space, c) {
            bounds[i] = gradient.bound(r.tol, r.f64(D_Y)[i], (r.f64(X)[i] - mean) * rstd, out[0][i]);
        }
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::batch_norm_train`] of `self` with respect to it, from those of `w` and `b`.
    ///
    /// `d_x = w · rstd · (d_y − (d_b + x̂ · d_w) / N)` with `x̂ = (x − mean) · rstd`, N elements of a channel
    ///
    /// # Shapes
    /// `self`, `d_y` `(B, C, …)` · `w`, `statistics = [mean, rstd]`, `d_wb = [d_w, d_b]` each `(C)` → `(B, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Ioffe, Szegedy 2015, arXiv:1502.03167, section 3
    #[track_caller]
    pub fn batch_norm_train_backward(
        self,
        w: Option<Tensor<'g>>,
        d_y: Tensor<'g>,
        statistics: [Tensor<'g>; 2],
        d_wb: [Tensor<'g>; 2],
    ) -> Tensor<'g> {
        let ([mean, rstd], [d_w, d_b]) = (statistics, d_wb);
        let inputs = [Some(self), w, Some(d_y), Some(mean), Some(rstd), Some(d_w), Some(d_b)];
        self.graph().dispatch(&BATCH_NORM_TRAIN_BACKWARD, &inputs, &[])[0]
    }
}

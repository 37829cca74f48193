//! Batch normalisation by the batch's own statistics. Shaders: shaders/norm/batch_norm_train.wgsl,
//! batch_norm_train_split.wgsl

use super::gradient::{beside, of_channels, slope, through_statistics};
use super::{affine_error, channels_space, expect_eps, expect_vector, lanes, normal_error, places, statistics_error};
use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Scratch, Spec, Step, Variant, Work,
};
use crate::kernels::reduce::over_axes::variance_bound;

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;

/// Parts of a split channel have at least this many elements …
const PART: usize = 4096;
/// … and a channel has at most this many parts: one lane each merges them.
const PARTS: usize = 64;

/// Normalises every channel by its own statistics over the batch, then scales and shifts: training mode.
pub static BATCH_NORM_TRAIN: Kernel = Kernel {
    name: "batch_norm_train",
    inputs: &[Port::f32("x"), Port::f32("w").optional(), Port::f32("b").optional()],
    outputs: &["y", "mean", "variance", "rstd"],
    params: &[Param::new("eps", Default::Float(1e-5))],
    shape,
    scalars: |c| {
        let (channels, space) = channels_space(c).unwrap_or((1, 1));
        Scalars::new()
            .set("n", c.spec(X).len())
            .set("channels", channels)
            .set("space", space)
            .set("cols", cols(c))
            .set("eps", c.float("eps"))
            .set("WG", lanes(cols(c)) as u32)
    },
    variants: &[
        Variant {
            shader: "norm/batch_norm_train",
            steps: &[Step {
                entry: "batch_norm_train",
                grid: channel_grid,
                loops: |c| 3 * (cols(c) as u64).div_ceil(lanes(cols(c))) + 16,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "norm/batch_norm_train",
            steps: &[Step {
                entry: "batch_norm_train_direct",
                grid: |c| Grid::Threads(channels(c) as u64),
                loops: |c| 3 * cols(c) as u64,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "split",
            shader: "norm/batch_norm_train_split",
            steps: &[
                Step { entry: "batch_norm_train_split_parts", grid: part_grid, loops: part_loops },
                Step { entry: "batch_norm_train_split_merge", grid: channel_grid, loops: |_| 16 },
                Step { entry: "batch_norm_train_split", grid: |c| Grid::Threads(c.spec(X).len() as u64), loops: |_| 0 },
            ],
            scratch: &[Scratch { name: "parts", spec: |c| Spec::f32(&[channels(c) * parts(c), 2]) }],
            scalars: |c| Scalars::new().set("parts_per_row", parts(c)).set("part_cols", part_cols(c)),
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| Work { flops: 8 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (channels, space) = channels_space(r).unwrap_or((1, 1));
        let (y, mean, variance, rstd) =
            kernels_ref::norm::batch_norm_train(r.f64(X), r.opt(W), r.opt(B), channels, space, r.float("eps"));
        vec![y, mean, variance, rstd]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

/// Only for calls that the shape rule accepted, as those below.
fn channels(c: &Call) -> usize {
    c.shape(X)[1]
}

/// Elements of a channel.
fn cols(c: &Call) -> usize {
    c.spec(X).len() / channels(c)
}

fn part_cols(c: &Call) -> usize {
    PART.max(cols(c).div_ceil(PARTS))
}

fn parts(c: &Call) -> usize {
    cols(c).div_ceil(part_cols(c))
}

fn channel_grid(c: &Call) -> Grid {
    Grid::Groups(channels(c) as u64)
}

fn part_grid(c: &Call) -> Grid {
    Grid::Groups((channels(c) * parts(c)) as u64)
}

fn part_loops(c: &Call) -> u64 {
    2 * (part_cols(c) as u64).div_ceil(lanes(cols(c))) + 16
}

/// Indices in the order plain, direct, split, as of `group_norm`: a lane a channel where barriers are dear, parts
/// where few channels have many elements.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    match adapter.kind {
        AdapterKind::Cpu => usize::from(channels(c) >= 8),
        _ if parts(c) > 2 && channels(c) < 256 => 2,
        _ => 0,
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    expect_eps(c)?;
    expect_vector(c, W, channels)?;
    expect_vector(c, B, channels)?;
    let statistics = Spec::f32(&[channels]);
    Ok(vec![c.spec(X), statistics.clone(), statistics.clone(), statistics])
}

/// As [`super::layer_norm`], a row being a channel; `variance` as the reduction of that name.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (channels, space) = channels_space(r).unwrap_or((1, 1));
    let tol = r.tol;
    let mut bounds = [vec![0.0; out[0].len()], vec![], vec![], vec![]];
    for c in 0..channels {
        let places: Vec<usize> = places(out[0].len(), channels, space, c).collect();
        let x: Vec<f64> = places.iter().map(|&i| r.f64(X)[i]).collect();
        let error = normal_error(tol, &x, out[3][c]);
        let (w, b) = (r.opt(W).map_or(1.0, |w| w[c]), r.opt(B).map_or(0.0, |b| b[c]));
        for i in places {
            bounds[0][i] = affine_error(tol, error, out[0][i], w, b);
        }
        let (m, s) = statistics_error(tol, &x, out[1][c], out[3][c]);
        bounds[1].push(m);
        bounds[2].push(variance_bound(&x, out[2][c], 0, tol));
        bounds[3].push(s);
    }
    bounds.into()
}

/// Through all outputs: `∂mean/∂x = 1/N`, `∂variance/∂x = 2·(x − mean)/N`, `∂rstd/∂x = −rstd³·(x − mean)/N`.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (x, d, mean, rstd) = (n.x(X), n.d(0), n.y(1), n.y(3));
    let [d_w, d_b] = of_channels(x, d, mean, rstd);
    let d_x = n.wanted(X, || {
        let d_x = x.batch_norm_train_backward(n.opt(W), d, [mean, rstd], [d_w, d_b]);
        let of = |v: Tensor<'g>| beside(v, n.shape(X));
        let slope = match (n.d_opt(2).map(|d| d * 2.0), n.d_opt(3).map(|d| slope(rstd, d))) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        through_statistics(d_x, n.d_opt(1).map(of), || x - of(mean), slope.map(of), cols(n))
    });
    vec![d_x, Some(d_w), Some(d_b)]
}

/// What [`Tensor::batch_norm_train`] returns.
#[derive(Clone, Copy)]
pub struct BatchNorm<'g> {
    /// The normalised batch.
    pub y: Tensor<'g>,
    /// The mean of every channel.
    pub mean: Tensor<'g>,
    /// The biased variance of every channel.
    pub variance: Tensor<'g>,
}

impl<'g> Tensor<'g> {
    /// Normalises every channel by its own statistics over the batch, then scales and shifts: training mode.
    ///
    /// `y = (x − mean) / √(variance + eps) · w + b`, mean and biased variance over the batch and the positions
    ///
    /// # Shapes
    /// `self (B, C, …)` · `w`, `b` each `(C)` → `y (B, C, …)` · `mean`, `variance` each `(C)`
    /// # Errors
    /// [`crate::Error::Graph`] if `w` or `b` is not `(C)`
    /// # Gradient
    /// `x`, `w`, `b`, through the statistics too; uses the saved `mean`, `rstd`
    /// # Source
    /// Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 1 · PyTorch `F.batch_norm` with `training=True`
    #[track_caller]
    pub fn batch_norm_train(self, w: Option<Tensor<'g>>, b: Option<Tensor<'g>>, eps: f64) -> BatchNorm<'g> {
        let outputs = self.graph().dispatch(&BATCH_NORM_TRAIN, &[Some(self), w, b], &[("eps", eps.into())]);
        BatchNorm { y: outputs[0], mean: outputs[1], variance: outputs[2] }
    }
}

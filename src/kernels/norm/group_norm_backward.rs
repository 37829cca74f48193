//! The gradient of group normalisation with respect to its input. Shader: shaders/norm/group_norm_backward.wgsl

use super::{RowGradient, Sum, channels_space, expect_groups, expect_like_x, expect_vector};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Scratch, Spec, Step, Variant, Work};
use crate::shape::Dims;

const X: usize = 0;
const W: usize = 1;
const D_Y: usize = 2;
const MEAN: usize = 3;
const RSTD: usize = 4;
const D_WB: usize = 5;

/// The gradient of `group_norm` with respect to `x`.
pub static GROUP_NORM_BACKWARD: Kernel = Kernel {
    name: "group_norm_backward",
    inputs: &[
        Port::f32("x"),
        Port::f32("w").optional(),
        Port::f32("d_y"),
        Port::f32("mean"),
        Port::f32("rstd"),
        Port::f32("d_wb"),
    ],
    outputs: &["d_x"],
    shape,
    scalars: |c| {
        let rows = Rows::of(c);
        Scalars::new()
            .set("n", c.spec(X).len())
            .set("rows", rows.rows)
            .set("cols", rows.cols())
            .set("space", rows.space)
            .set("channels", rows.channels)
            .set("groups", rows.groups)
            .set("group_channels", rows.group_channels)
    },
    variants: &[Variant {
        shader: "norm/group_norm_backward",
        steps: &[
            Step {
                entry: "group_norm_backward_sums",
                grid: |c| Grid::Threads(Rows::of(c).rows as u64),
                loops: |c| Rows::of(c).group_channels as u64,
            },
            Step { entry: "group_norm_backward", grid: |c| Grid::Threads(c.spec(X).len() as u64), loops: |_| 0 },
        ],
        scratch: &[Scratch { name: "sums", spec: |c| Spec::f32(&[Rows::of(c).rows, 2]) }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 9 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let rows = Rows::of(r);
        let statistics = (r.f64(MEAN), r.f64(RSTD));
        let (x, w, d_y, d_wb) = (r.f64(X), r.opt(W), r.f64(D_Y), r.f64(D_WB));
        vec![kernels_ref::norm::group_norm_backward(
            x,
            w,
            d_y,
            statistics,
            d_wb,
            rows.channels,
            rows.space,
            rows.groups,
        )]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// A call as rows: one per sample and group.
struct Rows {
    rows: usize,
    space: usize,
    channels: usize,
    groups: usize,
    group_channels: usize,
}

impl Rows {
    /// Only for calls that the shape rule accepted.
    fn of(c: &Call) -> Rows {
        let (channels, space) = channels_space(c).unwrap_or((1, 1));
        let groups = c.shape(MEAN)[1];
        Rows { rows: c.shape(X)[0] * groups, space, channels, groups, group_channels: channels / groups }
    }
    fn cols(&self) -> usize {
        self.group_channels * self.space
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    expect_vector(c, W, channels)?;
    expect_like_x(c, D_Y)?;
    expect_groups(c, MEAN, RSTD)?;
    let expected = [c.shape(X)[0], channels, 2];
    if c.shape(D_WB) != expected {
        return Err(format!("d_wb is {}, expected {}", Dims(c.shape(D_WB)), Dims(&expected)));
    }
    Ok(vec![c.spec(X)])
}

/// As of [`RowGradient`], the sums being over the channels of a group.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (rows, mut bounds) = (Rows::of(r), vec![]);
    let weight = |c: usize| r.opt(W).map_or(1.0, |w| w[c]);
    for (row, x) in r.f64(X).chunks(rows.cols()).enumerate() {
        let (mean, rstd) = (r.f64(MEAN)[row], r.f64(RSTD)[row]);
        let first = row % rows.groups * rows.group_channels;
        let terms = |which: usize| -> Vec<f64> {
            let plane = row * rows.group_channels;
            (0..rows.group_channels).map(|k| weight(first + k) * r.f64(D_WB)[2 * (plane + k) + which]).collect()
        };
        let gradient = RowGradient { scale: rstd, n: rows.cols(), sum: Sum::of(&terms(1)), dot: Sum::of(&terms(0)) };
        for (i, x) in x.iter().enumerate() {
            let at = row * rows.cols() + i;
            let g = r.f64(D_Y)[at] * weight(first + i / rows.space);
            bounds.push(gradient.bound(r.tol, g, (x - mean) * rstd, out[0][at]));
        }
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::group_norm`] of `self` with respect to it; `d_wb` is what
    /// [`Tensor::group_norm_backward_w`] returns.
    ///
    /// `d_x = rstd · (g − mean g − x̂ · mean (g · x̂))` with `g = d_y · w`, `x̂ = (x − mean) · rstd`, over a group
    ///
    /// # Shapes
    /// `self`, `d_y` `(B, C, …)` · `w (C)` · `mean`, `rstd` `(B, G)` · `d_wb (B, C, 2)` → `(B, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7, differentiated
    #[track_caller]
    pub fn group_norm_backward(
        self,
        w: Option<Tensor<'g>>,
        d_y: Tensor<'g>,
        mean: Tensor<'g>,
        rstd: Tensor<'g>,
        d_wb: Tensor<'g>,
    ) -> Tensor<'g> {
        let inputs = [Some(self), w, Some(d_y), Some(mean), Some(rstd), Some(d_wb)];
        self.graph().dispatch(&GROUP_NORM_BACKWARD, &inputs, &[])[0]
    }
}

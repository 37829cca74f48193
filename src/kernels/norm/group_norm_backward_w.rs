//! The gradients of group normalisation with respect to its weight and bias, sample by sample. Shader:
//! shaders/norm/group_norm_backward_w.wgsl

use super::{channels_space, expect_groups, expect_like_x, lanes, weight_error};
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};

const X: usize = 0;
const D_Y: usize = 1;
const MEAN: usize = 2;
const RSTD: usize = 3;

/// Up to this many positions, a lane a channel of a sample pays on every adapter: a workgroup would idle.
const FEW: usize = 16;

/// The gradients of `group_norm` with respect to `w` and `b`, of every sample.
pub static GROUP_NORM_BACKWARD_W: Kernel = Kernel {
    name: "group_norm_backward_w",
    inputs: &[Port::f32("x"), Port::f32("d_y"), Port::f32("mean").strided(), Port::f32("rstd").strided()],
    outputs: &["d_wb"],
    shape,
    scalars,
    variants: &[
        Variant {
            shader: "norm/group_norm_backward_w",
            steps: &[Step {
                entry: "group_norm_backward_w",
                grid: |c| Grid::Groups(planes(c) as u64),
                loops: |c| (space(c) as u64).div_ceil(lanes(space(c))) + 16,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "norm/group_norm_backward_w",
            steps: &[Step {
                entry: "group_norm_backward_w_direct",
                grid: |c| Grid::Threads(planes(c) as u64),
                loops: |c| space(c) as u64,
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| Work { flops: 5 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (channels, space) = channels_space(r).unwrap_or((1, 1));
        let (mean, rstd) = (r.f64(MEAN), r.f64(RSTD));
        let groups = r.shape(MEAN)[1];
        vec![kernels_ref::norm::group_norm_backward_w(r.f64(X), r.f64(D_Y), mean, rstd, channels, space, groups)]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// Only for calls that the shape rule accepted, as those below.
fn space(c: &Call) -> usize {
    c.shape(X)[2..].iter().product()
}

fn planes(c: &Call) -> usize {
    c.shape(X)[0] * c.shape(X)[1]
}

/// Indices in the order plain, direct.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    usize::from(space(c) <= FEW || (adapter.kind == AdapterKind::Cpu && planes(c) >= 8))
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    expect_like_x(c, D_Y)?;
    expect_groups(c, MEAN, RSTD)?;
    Ok(vec![Spec::f32(&[c.shape(X)[0], channels, 2])])
}

fn scalars(c: &Call) -> Scalars {
    let all = Scalars::new()
        .set("planes", planes(c))
        .set("channels", c.shape(X)[1])
        .set("space", space(c))
        .set("group_channels", c.shape(X)[1] / c.shape(MEAN)[1])
        .set("WG", lanes(space(c)) as u32);
    [("mean", MEAN), ("rstd", RSTD)].into_iter().fold(all, |all, (name, port)| {
        let layout = &c.input(port).layout;
        all.set(&format!("{name}_b"), layout.strides[0])
            .set(&format!("{name}_g"), layout.strides[1])
            .set(&format!("{name}_offset"), layout.offset)
    })
}

/// A product of `d_y` and a normalised element (difference, product), summed over the positions.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (space, channels, groups) = (space(r), r.shape(X)[1], r.shape(MEAN)[1]);
    let mut bounds = vec![];
    for (plane, (x, d_y)) in r.f64(X).chunks(space).zip(r.f64(D_Y).chunks(space)).enumerate() {
        let row = plane / channels * groups + plane % channels / (channels / groups);
        let (mean, rstd) = (r.f64(MEAN)[row], r.f64(RSTD)[row]);
        let products = x.iter().zip(d_y).map(|(x, d)| (d * (x - mean) * rstd).abs()).sum();
        bounds.push(weight_error(r.tol, space, products, out[0][2 * plane]));
        bounds.push(r.tol.sum(space, d_y.iter().map(|d| d.abs()).sum(), out[0][2 * plane + 1]));
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The gradients of [`Tensor::group_norm`] of `self` with respect to `w` (first) and `b` (second), of every sample;
    /// their sum over the samples is the gradient. With a group a channel, those of batch and instance normalisation.
    ///
    /// `d_wb[…, 0] = Σ_s d_y · (x − mean) · rstd`, `d_wb[…, 1] = Σ_s d_y`
    ///
    /// # Shapes
    /// `self`, `d_y` `(B, C, …)` · `mean`, `rstd` `(B, G)` → `(B, C, 2)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7, differentiated
    #[track_caller]
    pub fn group_norm_backward_w(self, d_y: Tensor<'g>, mean: Tensor<'g>, rstd: Tensor<'g>) -> Tensor<'g> {
        let inputs = [Some(self), Some(d_y), Some(mean), Some(rstd)];
        self.graph().dispatch(&GROUP_NORM_BACKWARD_W, &inputs, &[])[0]
    }
}

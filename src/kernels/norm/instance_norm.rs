//! Instance normalisation: group normalisation with groups of one channel. Shader: shaders/norm/group_norm.wgsl

use super::group_norm::{
    DIRECT, FUSION, INPUTS, SPLIT, SUBGROUP, backward, bound, choose, row_grid, row_loops, scalars, seen, shape,
};
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Kernel, Param, Ref, Step, Variant, Work};
use crate::kernels::elementwise::activation;

/// Gives every channel of every sample zero mean and unit variance, then scales and shifts.
pub static INSTANCE_NORM: Kernel = Kernel {
    name: "instance_norm",
    inputs: INPUTS,
    outputs: &["y", "mean", "rstd"],
    params: &[
        Param::new("eps", Default::Float(1e-5)),
        Param::new("activation", Default::Text("none")),
        Param::new("activation_out", Default::Text("none")),
    ],
    shape,
    scalars,
    variants: &[
        SUBGROUP,
        Variant {
            shader: "norm/group_norm",
            steps: &[Step { entry: "instance_norm", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
        DIRECT,
        SPLIT,
    ],
    choose,
    work: |c| Work { flops: 8 * c.spec(0).len() as u64, bytes: c.bytes() },
    reference,
    bound,
    backward: Backward::Rule(backward),
    fusion: FUSION,
    ..Kernel::BASE
};

fn reference(r: &Ref) -> Vec<Vec<f64>> {
    let (channels, space) = (r.shape(0)[1], r.shape(0)[2..].iter().product());
    let (mut y, mean, rstd) =
        kernels_ref::norm::instance_norm(&seen(r), r.opt(1), r.opt(2), channels, space, r.float("eps"));
    for v in &mut y {
        *v = activation::apply(r.text("activation_out"), activation::apply(r.text("activation"), *v));
    }
    vec![y, mean, rstd]
}

impl<'g> Tensor<'g> {
    /// Gives every channel of every sample zero mean and unit variance, then scales and shifts.
    ///
    /// `y = (x − mean) / √(var + eps) · w + b`, mean and biased variance over the positions of a channel
    ///
    /// # Shapes
    /// `self (B, C, …)` · `w (C)` · `b (C)` → `(B, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if `w` or `b` is not `(C)`
    /// # Gradient
    /// `x`, `w`, `b`; uses the saved `mean`, `rstd`
    /// # Source
    /// Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022, eq. 4 · PyTorch `F.instance_norm`
    #[track_caller]
    pub fn instance_norm(self, w: Option<Tensor<'g>>, b: Option<Tensor<'g>>, eps: f64) -> Tensor<'g> {
        self.graph().dispatch(&INSTANCE_NORM, &[Some(self), w, b, None], &[("eps", eps.into())])[0]
    }
}

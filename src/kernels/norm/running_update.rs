//! Running averages of batch statistics. Shader: shaders/norm/running_update.wgsl

use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const RUNNING: usize = 0;
const BATCH: usize = 1;

/// Moves a running average towards a new value, in place.
pub static RUNNING_UPDATE: Kernel = Kernel {
    name: "running_update",
    inputs: &[Port::f32("running"), Port::f32("batch")],
    outputs: &["running"],
    params: &[Param::new("momentum", Default::Float(0.1)), Param::new("scale", Default::Float(1.0))],
    shape,
    scalars: |c| {
        let (momentum, scale) = (c.float("momentum"), c.float("scale"));
        Scalars::new().set("n", c.spec(RUNNING).len()).set("keep", 1.0 - momentum).set("gain", momentum * scale)
    },
    variants: &[Variant {
        shader: "norm/running_update",
        steps: &[Step { entry: "running_update", grid: |c| Grid::Threads(c.spec(RUNNING).len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 3 * c.spec(RUNNING).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (running, batch) = (r.f64(RUNNING), r.f64(BATCH));
        vec![kernels_ref::norm::running_update(running, batch, r.float("momentum"), r.float("scale"))]
    },
    bound,
    backward: Backward::None("running statistics are not learned"),
    in_place: &[(0, RUNNING)],
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    if c.shape(RUNNING) != c.shape(BATCH) {
        return Err(format!("running is {} and batch is {}", Dims(c.shape(RUNNING)), Dims(c.shape(BATCH))));
    }
    let (momentum, scale) = (c.float("momentum"), c.float("scale"));
    if !(0.0..=1.0).contains(&momentum) || !scale.is_finite() {
        return Err(format!("momentum is {momentum} and scale is {scale}, expected 0 to 1 and a number"));
    }
    Ok(vec![c.spec(RUNNING)])
}

/// Of each of the two terms: the factor and the product rounded; their sum rounded.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (momentum, scale) = (r.float("momentum"), r.float("scale"));
    let term = |factor: f64, v: f64| r.tol.ulps(1.0, 2.0, factor * v);
    let one =
        |((&a, &b), &y): ((&f64, &f64), &f64)| term(1.0 - momentum, a) + term(momentum * scale, b) + r.tol.rounded(y);
    vec![r.f64(RUNNING).iter().zip(r.f64(BATCH)).zip(&out[0]).map(one).collect()]
}

impl<'g> Tensor<'g> {
    /// The running average `self`, a state or a buffer among the weights, moved towards `batch`.
    ///
    /// `running ← (1 − momentum) · running + momentum · scale · batch`
    ///
    /// # Shapes
    /// `self` and `batch` alike → the updated state
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ, `momentum` is not in 0..=1, or `self` is no state and no weight
    /// # Gradient
    /// None: running statistics are not learned
    /// # Source
    /// Ioffe, Szegedy 2015, arXiv:1502.03167, section 3.1 · PyTorch `F.batch_norm` with `training=True`
    #[track_caller]
    pub fn running_update(self, batch: Tensor<'g>, momentum: f64, scale: f64) -> Tensor<'g> {
        let params = [("momentum", momentum.into()), ("scale", scale.into())];
        self.graph().dispatch(&RUNNING_UPDATE, &[Some(self), Some(batch)], &params)[0]
    }
}

//! Running averages of weights. Shader: shaders/optimizer/ema_update.wgsl

use crate::graph::Tensor;
use crate::kernel::{Backward, Grid, Kernel, Port, Ref, Scalars, Step, Variant, Work};
use crate::kernels::near::Near;
use crate::shape::Dims;

const EMA: usize = 0;
const W: usize = 1;
const HYPER: usize = 2;

/// Moves a running average towards the weights.
pub static EMA_UPDATE: Kernel = Kernel {
    name: "ema_update",
    inputs: &[Port::f32("ema"), Port::f32("w"), Port::f32("hyper")],
    outputs: &["ema"],
    in_place: &[(0, EMA)],
    shape: |c| match (c.shape(EMA), c.shape(W), c.shape(HYPER)) {
        (ema, w, [3]) if ema == w => Ok(vec![c.spec(EMA)]),
        (ema, w, hyper) => {
            Err(format!("ema {}, w {} and hyper {} are not of one shape and (3,)", Dims(ema), Dims(w), Dims(hyper)))
        }
    },
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()),
    variants: &[Variant {
        shader: "optimizer/ema_update",
        steps: &[Step { entry: "ema_update", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 5 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| {
        let h = r.f64(HYPER);
        vec![kernels_ref::optimizer::ema_update(r.f64(EMA), r.f64(W), [h[0] + h[1], h[2]])]
    },
    bound: |r, _| vec![(0..r.f64(W).len()).map(|i| element(r, i)).collect()],
    backward: Backward::None("an average of weights is kept for evaluation"),
    ..Kernel::BASE
};

/// Three products and two sums, each rounded.
fn element(r: &Ref, i: usize) -> f64 {
    let near = |v| Near::exact(v, r.tol);
    let [keep, rest, take] = [0, 1, 2].map(|k| near(r.f64(HYPER)[k]));
    let (ema, w) = (near(r.f64(EMA)[i]), near(r.f64(W)[i]));
    (keep * ema + (rest * ema + take * w)).bound()
}

impl<'g> Tensor<'g> {
    /// The running average `self`, a state, after the weights `w`: `decay·ema + (1 − decay)·w`.
    ///
    /// # Shapes
    /// `self` a state · `w` of its shape · `hyper (3)`: decay as a sum of two, 1 − decay
    /// ([`crate::train::optimizer::factors`]) → the updated state
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ, or `self` is no state
    /// # Gradient
    /// None: an average of weights is kept for evaluation
    #[track_caller]
    pub fn ema_update(self, w: Tensor<'g>, hyper: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&EMA_UPDATE, &[Some(self), Some(w), Some(hyper)], &[])[0]
    }
}

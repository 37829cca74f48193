//! Adadelta. Shader: shaders/optimizer/adadelta.wgsl

use super::update::{BASE, D_W, DECAY, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};

/// Steps in the units of the weights.
pub static ADADELTA: Kernel = Kernel {
    name: "adadelta",
    inputs: &[W, Port::f32("s"), Port::f32("u"), D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "s", "u"],
    in_place: in_place(3),
    shape: |c| shape(c, 6),
    variants: &[Variant {
        shader: "optimizer/adadelta",
        steps: &[Step { entry: "adadelta", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 22),
    reference: |r| {
        let x = Given::of(r);
        let (g, rho) = (x.gradient(true), x.factors(2));
        let [w, s, u] = [0, 1, 2].map(|i| x.state(i));
        kernels_ref::optimizer::adadelta(w, s, u, &g, x.hyper(0), rho, x.hyper(5)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let (g, eps) = (x.coupled(), x.hyper(5));
            let s = x.mixed_square(x.state(1), g, 2);
            let d = (x.state(2) + eps).sqrt() / (s + eps).sqrt() * g;
            [x.state(0) - x.hyper(0) * d, s, x.mixed_square(x.state(2), d, 2)]
        })
    },
    ..BASE
};

impl<'g> Tensor<'g> {
    /// The weights `self` and the states after a step: `s ← rho·s + (1 − rho)·g²`, `d = √(u + eps)/√(s + eps)·g`,
    /// `u ← rho·u + (1 − rho)·d²`, `w − lr·d`.
    ///
    /// # Shapes
    /// `self`, `s`, `u (N)` · `by.hyper (6)`: lr, clip, rho as a sum of two, 1 − rho, eps → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Zeiler 2012, arXiv:1212.5701, algorithm 1 · PyTorch `torch.optim.Adadelta`
    #[track_caller]
    pub fn adadelta(self, [s, u]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&ADADELTA, self, &[s, u])
    }
}

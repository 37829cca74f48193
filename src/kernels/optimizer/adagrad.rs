//! Adagrad. Shader: shaders/optimizer/adagrad.wgsl

use super::update::{BASE, D_W, DECAY, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};

/// Steps scaled by all squared gradients so far.
pub static ADAGRAD: Kernel = Kernel {
    name: "adagrad",
    inputs: &[W, Port::f32("a"), D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "a"],
    in_place: in_place(2),
    shape: |c| shape(c, 3),
    variants: &[Variant {
        shader: "optimizer/adagrad",
        steps: &[Step { entry: "adagrad", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 9),
    reference: |r| {
        let x = Given::of(r);
        let g = x.gradient(true);
        kernels_ref::optimizer::adagrad(x.state(0), x.state(1), &g, x.hyper(0), x.hyper(2)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let g = x.coupled();
            let a = x.state(1) + g * g;
            [x.state(0) - x.hyper(0) * g / (a.sqrt() + x.hyper(2)), a]
        })
    },
    ..BASE
};

impl<'g> Tensor<'g> {
    /// The weights `self` and the sum of squares `a` after a step: `a ← a + g²`, `w − rate·g/(√a + eps)`.
    ///
    /// # Shapes
    /// `self`, `a (N)` · `by.hyper (3)`: rate, clip, eps → both `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Duchi, Hazan, Singer 2011 · PyTorch `torch.optim.Adagrad`
    #[track_caller]
    pub fn adagrad(self, a: Tensor<'g>, by: Update<'g>) -> [Tensor<'g>; 2] {
        by.of(&ADAGRAD, self, &[a])
    }
}

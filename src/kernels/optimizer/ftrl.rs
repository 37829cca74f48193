//! FTRL-Proximal. Shader: shaders/optimizer/ftrl.wgsl

use super::update::{BASE, D_W, DECAY, Element, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};
use crate::kernels::near::Near;

/// Follows the regularised leader.
pub static FTRL: Kernel = Kernel {
    name: "ftrl",
    inputs: &[W, Port::f32("z"), Port::f32("n"), D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "z", "n"],
    in_place: in_place(3),
    shape: |c| shape(c, 4),
    variants: &[Variant {
        shader: "optimizer/ftrl",
        steps: &[Step { entry: "ftrl", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 22),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, z, n]) = (x.gradient(true), [0, 1, 2].map(|i| x.state(i)));
        kernels_ref::optimizer::ftrl(w, z, n, &g, x.hyper(0), x.hyper(2), x.hyper(3)).into()
    },
    bound: |r, _| bounds(r, element),
    ..BASE
};

/// What a divisor is at least, as in the shader.
const TINY: f64 = 1e-30;

fn element(x: &Element) -> [Near; 3] {
    let (g, before) = (x.coupled(), x.state(2));
    let square = g * g;
    let n = before + square;
    let root = n.sqrt();
    let sigma = square * x.hyper(0) / (root + before.sqrt()).max(x.exact(TINY));
    let z = x.state(1) + (g - sigma * x.state(0));
    let divisor = (x.hyper(2) + root * x.hyper(0)).max(x.exact(TINY));
    [z.shrunk(x.hyper(3)) / divisor, z, n]
}

impl<'g> Tensor<'g> {
    /// The weights `self` and the states after a step: `sigma = (√(n + g²) − √n)/alpha`, `z ← z + g − sigma·w`,
    /// `n ← n + g²`, and `−sign(z)·max(|z| − l1, 0)/((beta + √n)/alpha + l2)`.
    ///
    /// # Shapes
    /// `self`, `z`, `n (N)` · `by.hyper (4)`: 1/alpha, clip, beta/alpha + l2, l1 → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1
    #[track_caller]
    pub fn ftrl(self, [z, n]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&FTRL, self, &[z, n])
    }
}

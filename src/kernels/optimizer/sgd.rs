//! Stochastic gradient descent, plain and with momentum. Shader: shaders/optimizer/sgd.wgsl

use kernels_ref::optimizer as reference;

use super::update::{BASE, D_W, DECAY, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};

/// Steps against the gradient.
pub static SGD: Kernel = Kernel {
    name: "sgd",
    inputs: &[W, D_W, HYPER, DECAY, SCALE],
    outputs: &["w"],
    in_place: in_place(1),
    shape: |c| shape(c, 2),
    variants: &[Variant {
        shader: "optimizer/sgd",
        steps: &[Step { entry: "sgd", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 4),
    reference: |r| {
        let x = Given::of(r);
        vec![reference::sgd(x.state(0), &x.gradient(true), x.hyper(0))]
    },
    bound: |r, _| bounds(r, |x| [x.state(0) - x.hyper(0) * x.coupled()]),
    ..BASE
};

/// Steps along a running sum of gradients.
pub static MOMENTUM: Kernel = Kernel {
    name: "momentum",
    inputs: &[W, Port::f32("v"), D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "v"],
    in_place: in_place(2),
    shape: |c| shape(c, 7),
    variants: &[Variant {
        shader: "optimizer/sgd",
        steps: &[Step { entry: "momentum", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 12),
    reference: |r| {
        let x = Given::of(r);
        let ([m, take], by) = (x.factors(2), [x.hyper(5), x.hyper(6)]);
        reference::momentum(x.state(0), x.state(1), &x.gradient(true), x.hyper(0), m, take, by).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let g = x.coupled();
            let v = x.mixed(x.state(1), g, 2);
            [x.state(0) - x.hyper(0) * (x.hyper(5) * g + x.hyper(6) * v), v]
        })
    },
    ..BASE
};

impl<'g> Tensor<'g> {
    /// The weights `self` after a step against the gradient: `w − lr·g`.
    ///
    /// # Shapes
    /// `self (N)`, weights or a state · `by.hyper (2)`: lr, clip → `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or `self` is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Robbins, Monro 1951 · PyTorch `torch.optim.SGD`
    #[track_caller]
    pub fn sgd(self, by: Update<'g>) -> Tensor<'g> {
        by.of::<1>(&SGD, self, &[])[0]
    }

    /// The weights `self` and the state `v` after a step with momentum: `v ← m·v + take·g`, and `w − lr·v`, or
    /// `w − lr·(g + m·v)` of Nesterov's.
    ///
    /// # Shapes
    /// `self`, `v (N)` · `by.hyper (7)`: lr, clip, m as a sum of two, take, what the step has of g and of v → both `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Polyak 1964; Sutskever et al. 2013 · PyTorch `torch.optim.SGD`
    #[track_caller]
    pub fn momentum(self, v: Tensor<'g>, by: Update<'g>) -> [Tensor<'g>; 2] {
        by.of(&MOMENTUM, self, &[v])
    }
}

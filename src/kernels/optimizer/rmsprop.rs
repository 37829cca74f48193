//! RMSprop, plain, centered, and with momentum. Shader: shaders/optimizer/rmsprop.wgsl

use kernels_ref::optimizer as reference;

use super::update::{BASE, D_W, DECAY, Element, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};
use crate::kernels::near::Near;

const V: Port = Port::f32("v");
const C: Port = Port::f32("c");
const B: Port = Port::f32("b");

/// Steps over a running root mean square.
pub static RMSPROP: Kernel = Kernel {
    name: "rmsprop",
    inputs: &[W, V, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "v"],
    in_place: in_place(2),
    shape: |c| shape(c, 6),
    variants: &[Variant {
        shader: "optimizer/rmsprop",
        steps: &[Step { entry: "rmsprop", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 12),
    reference: |r| {
        let x = Given::of(r);
        reference::rmsprop(x.state(0), x.state(1), &x.gradient(true), x.hyper(0), x.factors(2), x.hyper(5)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [q, v] = quotient(x);
            [x.state(0) - x.hyper(0) * q, v]
        })
    },
    ..BASE
};

/// Steps along a running sum of gradients over their root mean square.
pub static RMSPROP_MOMENTUM: Kernel = Kernel {
    name: "rmsprop_momentum",
    inputs: &[W, V, B, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "v", "b"],
    in_place: in_place(3),
    shape: |c| shape(c, 9),
    variants: &[Variant {
        shader: "optimizer/rmsprop",
        steps: &[Step { entry: "rmsprop_momentum", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 17),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, v, b]) = (x.gradient(true), [0, 1, 2].map(|i| x.state(i)));
        reference::rmsprop_momentum(w, v, b, &g, x.hyper(0), x.factors(2), x.hyper(5), x.factors(6)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [q, v] = quotient(x);
            let b = x.mixed(x.state(2), q, 6);
            [x.state(0) - x.hyper(0) * b, v, b]
        })
    },
    ..BASE
};

/// Steps over a running standard deviation.
pub static RMSPROP_CENTERED: Kernel = Kernel {
    name: "rmsprop_centered",
    inputs: &[W, V, C, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "v", "c"],
    in_place: in_place(3),
    shape: |c| shape(c, 6),
    variants: &[Variant {
        shader: "optimizer/rmsprop",
        steps: &[Step { entry: "rmsprop_centered", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 19),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, v, c]) = (x.gradient(true), [0, 1, 2].map(|i| x.state(i)));
        reference::rmsprop_centered(w, v, c, &g, x.hyper(0), x.factors(2), x.hyper(5)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [q, v, c] = centered(x);
            [x.state(0) - x.hyper(0) * q, v, c]
        })
    },
    ..BASE
};

/// Steps along a running sum of gradients over their standard deviation.
pub static RMSPROP_CENTERED_MOMENTUM: Kernel = Kernel {
    name: "rmsprop_centered_momentum",
    inputs: &[W, V, C, B, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "v", "c", "b"],
    in_place: in_place(4),
    shape: |c| shape(c, 9),
    variants: &[Variant {
        shader: "optimizer/rmsprop",
        steps: &[Step { entry: "rmsprop_centered_momentum", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 24),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, v, c, b]) = (x.gradient(true), [0, 1, 2, 3].map(|i| x.state(i)));
        let (alpha, momentum) = (x.factors(2), x.factors(6));
        reference::rmsprop_centered_momentum(w, v, c, b, &g, x.hyper(0), alpha, x.hyper(5), momentum).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [q, v, c] = centered(x);
            let b = x.mixed(x.state(3), q, 6);
            [x.state(0) - x.hyper(0) * b, v, c, b]
        })
    },
    ..BASE
};

/// The gradient over its root mean square, and `v`.
fn quotient(x: &Element) -> [Near; 2] {
    let g = x.coupled();
    let v = x.mixed_square(x.state(1), g, 2);
    [g / (v.sqrt() + x.hyper(5)), v]
}

/// The gradient over its standard deviation, `v` and `c`.
fn centered(x: &Element) -> [Near; 3] {
    let g = x.coupled();
    let (v, c) = (x.mixed_square(x.state(1), g, 2), x.mixed(x.state(2), g, 2));
    [g / ((v - c * c).max(x.exact(0.0)).sqrt() + x.hyper(5)), v, c]
}

impl<'g> Tensor<'g> {
    /// The weights `self` and the mean square `v` after a step: `v ← alpha·v + (1 − alpha)·g²`, `w − lr·g/(√v + eps)`.
    ///
    /// # Shapes
    /// `self`, `v (N)` · `by.hyper (6)`: lr, clip, alpha as a sum of two, 1 − alpha, eps → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Hinton 2012, Coursera lecture 6e · PyTorch `torch.optim.RMSprop`
    #[track_caller]
    pub fn rmsprop(self, v: Tensor<'g>, by: Update<'g>) -> [Tensor<'g>; 2] {
        by.of(&RMSPROP, self, &[v])
    }

    /// As [`Tensor::rmsprop`], with `b ← momentum·b + g/(√v + eps)` and `w − lr·b`.
    ///
    /// # Shapes
    /// `self`, `v`, `b (N)` · `by.hyper (9)`: as [`Tensor::rmsprop`], momentum as a sum of two, 1 → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Hinton 2012, Coursera lecture 6e · PyTorch `torch.optim.RMSprop`
    #[track_caller]
    pub fn rmsprop_momentum(self, [v, b]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&RMSPROP_MOMENTUM, self, &[v, b])
    }

    /// As [`Tensor::rmsprop`], with `c ← alpha·c + (1 − alpha)·g` and the variance `v − c²`, 0 at least, in place of `v`.
    ///
    /// # Shapes
    /// `self`, `v`, `c (N)` · `by.hyper (6)`: lr, clip, alpha as a sum of two, 1 − alpha, eps → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Graves 2013, arXiv:1308.0850, eq. 38–45 · PyTorch `torch.optim.RMSprop(centered=True)`
    #[track_caller]
    pub fn rmsprop_centered(self, [v, c]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&RMSPROP_CENTERED, self, &[v, c])
    }

    /// [`Tensor::rmsprop_centered`] with the momentum of [`Tensor::rmsprop_momentum`].
    ///
    /// # Shapes
    /// `self`, `v`, `c`, `b (N)` · `by.hyper (9)`: as [`Tensor::rmsprop`], momentum as a sum of two, 1 → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Graves 2013, arXiv:1308.0850, eq. 38–45 · PyTorch `torch.optim.RMSprop(centered=True)`
    #[track_caller]
    pub fn rmsprop_centered_momentum(self, [v, c, b]: [Tensor<'g>; 3], by: Update<'g>) -> [Tensor<'g>; 4] {
        by.of(&RMSPROP_CENTERED_MOMENTUM, self, &[v, c, b])
    }
}

//! Adam and its kin. Shader: shaders/optimizer/adam.wgsl

use kernels_ref::optimizer as reference;

use super::update::{BASE, D_W, DECAY, Element, Given, HYPER, SCALE, Update, W, bounds, in_place, quads, shape, work};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Step, Variant};
use crate::kernels::near::Near;

const M: Port = Port::f32("m");
const V: Port = Port::f32("v");
const V_MAX: Port = Port::f32("v_max");

/// Numbers of an update.
const NUMBERS: usize = 11;

/// Steps by running first and second moments.
pub static ADAM: Kernel = Kernel {
    name: "adam",
    inputs: &[W, M, V, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "m", "v"],
    in_place: in_place(3),
    shape: |c| shape(c, NUMBERS),
    variants: &[Variant {
        shader: "optimizer/adam",
        steps: &[Step { entry: "adam", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 20),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, m, v]) = (x.gradient(true), [0, 1, 2].map(|i| x.state(i)));
        reference::adam(w, m, v, &g, numbers(&x)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [m, v] = moments(x, x.coupled());
            [x.state(0) - step(x, m, v), m, v]
        })
    },
    ..BASE
};

/// Adam by the largest second moment so far.
pub static AMSGRAD: Kernel = Kernel {
    name: "amsgrad",
    inputs: &[W, M, V, V_MAX, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "m", "v", "v_max"],
    in_place: in_place(4),
    shape: |c| shape(c, NUMBERS),
    variants: &[Variant {
        shader: "optimizer/adam",
        steps: &[Step { entry: "amsgrad", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 21),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, m, v, v_max]) = (x.gradient(true), [0, 1, 2, 3].map(|i| x.state(i)));
        reference::amsgrad(w, m, v, v_max, &g, numbers(&x)).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [m, v] = moments(x, x.coupled());
            let v_max = x.state(3).max(v);
            [x.state(0) - step(x, m, v_max), m, v, v_max]
        })
    },
    ..BASE
};

/// Adam with decoupled weight decay.
pub static ADAMW: Kernel = Kernel {
    name: "adamw",
    inputs: &[W, M, V, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "m", "v"],
    in_place: in_place(3),
    shape: |c| shape(c, NUMBERS),
    variants: &[Variant {
        shader: "optimizer/adam",
        steps: &[Step { entry: "adamw", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 21),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, m, v]) = (x.gradient(false), [0, 1, 2].map(|i| x.state(i)));
        reference::adamw(w, m, v, &g, numbers(&x), x.decay()).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [m, v] = moments(x, x.clipped());
            [decayed(x) - step(x, m, v), m, v]
        })
    },
    ..BASE
};

/// Adam with decoupled weight decay by the largest second moment so far.
pub static ADAMW_AMSGRAD: Kernel = Kernel {
    name: "adamw_amsgrad",
    inputs: &[W, M, V, V_MAX, D_W, HYPER, DECAY, SCALE],
    outputs: &["w", "m", "v", "v_max"],
    in_place: in_place(4),
    shape: |c| shape(c, NUMBERS),
    variants: &[Variant {
        shader: "optimizer/adam",
        steps: &[Step { entry: "adamw_amsgrad", grid: quads, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 22),
    reference: |r| {
        let x = Given::of(r);
        let (g, [w, m, v, v_max]) = (x.gradient(false), [0, 1, 2, 3].map(|i| x.state(i)));
        reference::adamw_amsgrad(w, m, v, v_max, &g, numbers(&x), x.decay()).into()
    },
    bound: |r, _| {
        bounds(r, |x| {
            let [m, v] = moments(x, x.clipped());
            let v_max = x.state(3).max(v);
            [decayed(x) - step(x, m, v_max), m, v, v_max]
        })
    },
    ..BASE
};

fn numbers(x: &Given) -> reference::Adam {
    let (beta1, beta2) = (x.factors(2), x.factors(5));
    reference::Adam { lr: x.hyper(0), beta1, beta2, rate: x.hyper(8), root: x.hyper(9), eps: x.hyper(10) }
}

/// `m` and `v` after the gradient `g`.
fn moments(x: &Element, g: Near) -> [Near; 2] {
    [x.mixed(x.state(1), g, 2), x.mixed_square(x.state(2), g, 5)]
}

fn step(x: &Element, m: Near, v: Near) -> Near {
    x.hyper(8) * m / (v.sqrt() * x.hyper(9) + x.hyper(10))
}

fn decayed(x: &Element) -> Near {
    x.state(0) - x.hyper(0) * x.decay() * x.state(0)
}

impl<'g> Tensor<'g> {
    /// The weights `self` and the moments after a step: `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`,
    /// `w − lr·(m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + eps)`.
    ///
    /// # Shapes
    /// `self`, `m`, `v (N)` · `by.hyper (11)`: lr, clip, β₁ as a sum of two, 1 − β₁, β₂ as a sum of two, 1 − β₂, lr/(1 − β₁ᵗ),
    /// 1/√(1 − β₂ᵗ), eps → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Kingma, Ba 2014, arXiv:1412.6980, algorithm 1 · PyTorch `torch.optim.Adam`
    #[track_caller]
    pub fn adam(self, [m, v]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&ADAM, self, &[m, v])
    }

    /// As [`Tensor::adam`], with `v_max ← max(v_max, v)` in place of `v` in the step.
    ///
    /// # Shapes
    /// `self`, `m`, `v`, `v_max (N)` · `by.hyper (11)`: as [`Tensor::adam`] → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Reddi et al. 2018, arXiv:1904.09237 · PyTorch `torch.optim.Adam(amsgrad=True)`
    #[track_caller]
    pub fn amsgrad(self, [m, v, v_max]: [Tensor<'g>; 3], by: Update<'g>) -> [Tensor<'g>; 4] {
        by.of(&AMSGRAD, self, &[m, v, v_max])
    }

    /// As [`Tensor::adam`] of weights that first lost `lr·decay` of themselves; the gradient does not see the decay.
    ///
    /// # Shapes
    /// `self`, `m`, `v (N)` · `by.hyper (11)`: as [`Tensor::adam`] → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Loshchilov, Hutter 2017, arXiv:1711.05101, algorithm 2 · PyTorch `torch.optim.AdamW`
    #[track_caller]
    pub fn adamw(self, [m, v]: [Tensor<'g>; 2], by: Update<'g>) -> [Tensor<'g>; 3] {
        by.of(&ADAMW, self, &[m, v])
    }

    /// [`Tensor::adamw`] with the largest second moment of [`Tensor::amsgrad`].
    ///
    /// # Shapes
    /// `self`, `m`, `v`, `v_max (N)` · `by.hyper (11)`: as [`Tensor::adam`] → all `(N)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    /// # Gradient
    /// None
    /// # Source
    /// Reddi et al. 2018, arXiv:1904.09237 · PyTorch `torch.optim.AdamW(amsgrad=True)`
    #[track_caller]
    pub fn adamw_amsgrad(self, [m, v, v_max]: [Tensor<'g>; 3], by: Update<'g>) -> [Tensor<'g>; 4] {
        by.of(&ADAMW_AMSGRAD, self, &[m, v, v_max])
    }
}

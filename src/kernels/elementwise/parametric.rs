//! Functions of one number with parameters. Shader: shaders/elementwise/parametric.wgsl

use kernels_ref::elementwise as reference;

use super::unary::{elements, scalars, work};
use crate::check::{self, Tol};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant};

const BASE: Kernel = Kernel {
    inputs: &[Port::f32("x").strided()],
    shape: |c| Ok(vec![Spec::f32(c.shape(0))]),
    work: |c| work(c, 4),
    ..Kernel::BASE
};

fn with(c: &Call, p: f64, q: f64) -> Scalars {
    scalars(c, &[("x", 0)]).set("p", p).set("q", q)
}

/// The value the shader gets.
pub(super) fn single(v: f64) -> f64 {
    f64::from(v as f32)
}

/// `x` if positive, else `slope·x`.
pub static LEAKY_RELU: Kernel = Kernel {
    name: "leaky_relu",
    params: &[Param::new("slope", Default::Float(0.01))],
    scalars: |c| with(c, c.float("slope"), 0.0),
    variants: &[Variant {
        shader: "elementwise/parametric",
        steps: &[Step { entry: "leaky_relu", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| vec![reference::map(r.f64(0), |x| reference::leaky_relu(x, single(r.float("slope"))))],
    bound: |r, y| check::each(y, |y| r.tol.rounded(y)),
    backward: Backward::Rule(|n| vec![Some(n.x(0).leaky_relu_backward(n.d(0), n.float("slope")))]),
    ..BASE
};

/// `x` if positive, else `alpha·(e^x − 1)`.
pub static ELU: Kernel = Kernel {
    name: "elu",
    params: &[Param::new("alpha", Default::Float(1.0))],
    scalars: |c| with(c, c.float("alpha"), 0.0),
    variants: &[Variant {
        shader: "elementwise/parametric",
        steps: &[Step { entry: "elu", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| vec![reference::map(r.f64(0), |x| reference::elu(x, single(r.float("alpha"))))],
    bound: |r, y| check::each(y, |y| r.tol.ulps(7.0, 12.0, y) * r.float("alpha").abs().max(1.0)),
    backward: Backward::Rule(|n| vec![Some(n.x(0).elu_backward(n.d(0), n.float("alpha")))]),
    ..BASE
};

/// `ln(1 + e^(beta·x))/beta`, or `x` where `beta·x > threshold`.
pub static SOFTPLUS: Kernel = Kernel {
    name: "softplus",
    params: &[Param::new("beta", Default::Float(1.0)), Param::new("threshold", Default::Float(20.0))],
    shape: |c| {
        // The shader divides by it as f32.
        if c.float("beta") as f32 == 0.0 { Err("beta is 0".into()) } else { Ok(vec![Spec::f32(c.shape(0))]) }
    },
    scalars: |c| with(c, c.float("beta"), c.float("threshold")),
    variants: &[Variant {
        shader: "elementwise/parametric",
        steps: &[Step { entry: "softplus", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let (beta, threshold) = (single(r.float("beta")), single(r.float("threshold")));
        vec![reference::map(r.f64(0), |x| reference::softplus(x, beta, threshold))]
    },
    bound: softplus_bound,
    backward: Backward::Rule(|n| vec![Some(n.x(0).softplus_backward(n.d(0), n.float("beta"), n.float("threshold")))]),
    ..BASE
};

/// The rounding of `beta·x` moves `e^(beta·x)`; beside the threshold both branches are right.
fn softplus_bound(r: &Ref, y: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (beta, threshold, t) = (single(r.float("beta")), single(r.float("threshold")), r.tol);
    let bound = |(&x, &y): (&f64, &f64)| {
        let z = beta * x;
        let below = (-z).max(0.0);
        let edge = if (z - threshold).abs() <= check::ulp(z) { (-threshold).exp().ln_1p() / beta.abs() } else { 0.0 };
        t.ulps(6.0 + 2.0 * below, 12.0 + 4.0 * below, y) + edge + f64::from(f32::MIN_POSITIVE) / beta.abs()
    };
    vec![r.f64(0).iter().zip(&y[0]).map(bound).collect()]
}

/// `min(max(x, min), max)`.
pub static CLAMP: Kernel = Kernel {
    name: "clamp",
    params: &[Param::new("min", Default::Float(-f32::MAX as f64)), Param::new("max", Default::Float(f32::MAX as f64))],
    shape: |c| {
        let (min, max) = (c.float("min"), c.float("max"));
        if min <= max { Ok(vec![Spec::f32(c.shape(0))]) } else { Err(format!("min {min} is above max {max}")) }
    },
    scalars: |c| with(c, c.float("min"), c.float("max")),
    variants: &[Variant {
        shader: "elementwise/parametric",
        steps: &[Step { entry: "clamp_op", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let (min, max) = (single(r.float("min")), single(r.float("max")));
        vec![reference::map(r.f64(0), |x| reference::clamp(x, min, max))]
    },
    bound: |r, y| check::each(y, |_| exact(r.tol)),
    backward: Backward::Rule(|n| vec![Some(n.x(0).clamp_backward(n.d(0), n.float("min"), n.float("max")))]),
    ..BASE
};

fn exact(t: Tol) -> f64 {
    t.pick(0.0, f64::from(f32::MIN_POSITIVE))
}

impl<'g> Tensor<'g> {
    /// `x` if positive, else `slope·x`; PyTorch's default slope is 0.01.
    ///
    /// # Source
    /// PyTorch `F.leaky_relu`
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Tensor<'g> {
        self.graph().dispatch(&LEAKY_RELU, &[Some(self)], &[("slope", slope.into())])[0]
    }

    /// `x` if positive, else `alpha·(e^x − 1)`.
    ///
    /// # Source
    /// Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289 · PyTorch `F.elu`
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Tensor<'g> {
        self.graph().dispatch(&ELU, &[Some(self)], &[("alpha", alpha.into())])[0]
    }

    /// `ln(1 + e^(beta·x))/beta`, or `x` where `beta·x > threshold`; PyTorch's defaults are 1 and 20.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if `beta` is 0
    /// # Source
    /// PyTorch `F.softplus`
    #[track_caller]
    pub fn softplus(self, beta: f64, threshold: f64) -> Tensor<'g> {
        let params = [("beta", beta.into()), ("threshold", threshold.into())];
        self.graph().dispatch(&SOFTPLUS, &[Some(self)], &params)[0]
    }

    /// `min(max(x, min), max)`.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if `min` is above `max`
    /// # Gradient
    /// That of the result inside and at the edges, else 0
    /// # Source
    /// PyTorch `torch.clamp`
    #[track_caller]
    pub fn clamp(self, min: f64, max: f64) -> Tensor<'g> {
        self.graph().dispatch(&CLAMP, &[Some(self)], &[("min", min.into()), ("max", max.into())])[0]
    }
}

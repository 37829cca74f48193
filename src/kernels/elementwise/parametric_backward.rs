//! Gradients of the functions of one number with parameters. Shader: shaders/elementwise/parametric_backward.wgsl

use kernels_ref::elementwise as reference;

use super::parametric::single;
use super::unary::{elements, scalars, work};
use super::unary_backward::{SECOND, bounds, exact, exponential, product, shape, unit};
use crate::check::{self, U};
use crate::graph::Tensor;
use crate::kernel::{Call, Default, Kernel, Param, Port, Ref, Scalars, Step, Variant};

const M: f64 = f32::MIN_POSITIVE as f64;

const BASE: Kernel = Kernel {
    inputs: &[Port::f32("x").strided(), Port::f32("d_y").strided()],
    outputs: &["d_x"],
    shape,
    work: |c| work(c, 4),
    backward: SECOND,
    ..Kernel::BASE
};

fn with(c: &Call, p: f64, q: f64) -> Scalars {
    scalars(c, &[("x", 0), ("d", 1)]).set("p", p).set("q", q)
}

/// `d_y` where `x > 0`, else `slope·d_y`.
pub static LEAKY_RELU_BACKWARD: Kernel = Kernel {
    name: "leaky_relu_backward",
    params: &[Param::new("slope", Default::Float(0.01))],
    scalars: |c| with(c, c.float("slope"), 0.0),
    variants: &[Variant {
        shader: "elementwise/parametric_backward",
        steps: &[Step { entry: "leaky_relu_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let slope = single(r.float("slope"));
        vec![reference::zip(r.f64(0), r.f64(1), |x, d| reference::leaky_relu_backward(x, d, slope))]
    },
    bound: |r, y| check::each(y, |y| r.tol.rounded(y)),
    ..BASE
};

/// `d_y` where `x > 0`, else `alpha·e^x·d_y`.
pub static ELU_BACKWARD: Kernel = Kernel {
    name: "elu_backward",
    params: &[Param::new("alpha", Default::Float(1.0))],
    scalars: |c| with(c, c.float("alpha"), 0.0),
    variants: &[Variant {
        shader: "elementwise/parametric_backward",
        steps: &[Step { entry: "elu_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let alpha = single(r.float("alpha"));
        vec![reference::zip(r.f64(0), r.f64(1), |x, d| reference::elu_backward(x, d, alpha))]
    },
    // The exponential's error, and a product's before the last one.
    bound: |r, out| {
        let (alpha, t) = (single(r.float("alpha")), r.tol);
        bounds(r, out, |x, d, _| {
            if x > 0.0 {
                return exact(t);
            }
            let slope = alpha * x.exp();
            let near = x.abs().min(1e4);
            product(d, slope, slope.abs() * (exponential(near, t) + unit(t)) + M * alpha.abs(), t)
        })
    },
    ..BASE
};

/// `d_y·sigmoid(beta·x)`, or `d_y` where `beta·x > threshold`.
pub static SOFTPLUS_BACKWARD: Kernel = Kernel {
    name: "softplus_backward",
    params: &[Param::new("beta", Default::Float(1.0)), Param::new("threshold", Default::Float(20.0))],
    scalars: |c| with(c, c.float("beta"), c.float("threshold")),
    variants: &[Variant {
        shader: "elementwise/parametric_backward",
        steps: &[Step { entry: "softplus_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let (beta, threshold) = (single(r.float("beta")), single(r.float("threshold")));
        vec![reference::zip(r.f64(0), r.f64(1), |x, d| reference::softplus_backward(x, d, beta, threshold))]
    },
    bound: softplus_bound,
    ..BASE
};

/// The error of `sigmoid`, and the rounding of `beta·x`, which moves it by `σ(−z)·|z|·u` of itself; beside the threshold
/// both branches are right.
fn softplus_bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (beta, threshold, t) = (single(r.float("beta")), single(r.float("threshold")), r.tol);
    bounds(r, out, |x, d, _| {
        let z = beta * x;
        let (s, a) = (reference::sigmoid(z), z.abs().min(1e4));
        let own = t.pick(5.0 + a, 7.0 + 2.0 * a) * 2.0 * U + reference::sigmoid(-z) * a * unit(t);
        let beside = (z - threshold).abs() <= check::ulp(z);
        let edge = if beside { reference::sigmoid(-threshold) } else { 0.0 };
        product(d, if z > threshold { 1.0 } else { s }, s * own + edge, t)
    })
}

/// `d_y` where `min ≤ x ≤ max`, else 0.
pub static CLAMP_BACKWARD: Kernel = Kernel {
    name: "clamp_backward",
    params: &[Param::new("min", Default::Float(-f32::MAX as f64)), Param::new("max", Default::Float(f32::MAX as f64))],
    shape: |c| {
        let (min, max) = (c.float("min"), c.float("max"));
        if min > max {
            return Err(format!("min {min} is above max {max}"));
        }
        shape(c)
    },
    scalars: |c| with(c, c.float("min"), c.float("max")),
    variants: &[Variant {
        shader: "elementwise/parametric_backward",
        steps: &[Step { entry: "clamp_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| {
        let (min, max) = (single(r.float("min")), single(r.float("max")));
        vec![reference::zip(r.f64(0), r.f64(1), |x, d| reference::clamp_backward(x, d, min, max))]
    },
    bound: |r, y| check::each(y, |_| exact(r.tol)),
    ..BASE
};

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::leaky_relu`]: `d_y` where `self`, its argument, is positive, else `slope·d_y`.
    #[track_caller]
    pub fn leaky_relu_backward(self, d_y: Tensor<'g>, slope: f64) -> Tensor<'g> {
        let inputs = [Some(self), Some(d_y)];
        self.graph().dispatch(&LEAKY_RELU_BACKWARD, &inputs, &[("slope", slope.into())])[0]
    }

    /// The gradient of [`Tensor::elu`]: `d_y` where `self`, its argument, is positive, else `alpha·e^self·d_y`.
    #[track_caller]
    pub fn elu_backward(self, d_y: Tensor<'g>, alpha: f64) -> Tensor<'g> {
        self.graph().dispatch(&ELU_BACKWARD, &[Some(self), Some(d_y)], &[("alpha", alpha.into())])[0]
    }

    /// The gradient of [`Tensor::softplus`] at `self`, its argument: `d_y·sigmoid(beta·self)`, or `d_y` where
    /// `beta·self > threshold`.
    #[track_caller]
    pub fn softplus_backward(self, d_y: Tensor<'g>, beta: f64, threshold: f64) -> Tensor<'g> {
        let params = [("beta", beta.into()), ("threshold", threshold.into())];
        self.graph().dispatch(&SOFTPLUS_BACKWARD, &[Some(self), Some(d_y)], &params)[0]
    }

    /// The gradient of [`Tensor::clamp`]: `d_y` where `self`, its argument, is inside or at an edge, else 0.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if `min` is above `max`
    #[track_caller]
    pub fn clamp_backward(self, d_y: Tensor<'g>, min: f64, max: f64) -> Tensor<'g> {
        let params = [("min", min.into()), ("max", max.into())];
        self.graph().dispatch(&CLAMP_BACKWARD, &[Some(self), Some(d_y)], &params)[0]
    }
}

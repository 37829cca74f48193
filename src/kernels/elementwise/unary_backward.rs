//! Gradients of the functions of one number without parameters. Shaders: shaders/elementwise/unary_backward.wgsl,
//! unary_backward_vec4.wgsl

use kernels_ref::elementwise as reference;

use super::activation;
use super::binary::one_shape;
use super::unary::{elements, quads, scalars, whole_quads, work};
use crate::check::{Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Kernel, Port, Ref, Spec, Step, Variant};

/// Why gradient kernels have no gradient.
pub(super) const SECOND: Backward = Backward::None("gradients of gradients are not part of the engine");

const M: f64 = f32::MIN_POSITIVE as f64;

pub(super) fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    one_shape(c, &[0, 1])?;
    Ok(vec![Spec::f32(c.shape(0))])
}

/// A bound per element from `(x or y, d_y, d_x)`.
pub(super) fn bounds(r: &Ref, out: &[Vec<f64>], bound: impl Fn(f64, f64, f64) -> f64) -> Vec<Vec<f64>> {
    vec![r.f64(0).iter().zip(r.f64(1)).zip(&out[0]).map(|((&x, &d), &r)| bound(x, d, r)).collect()]
}

/// The error of `d·slope` where the slope is off by `error`: that of the product too, and what a `d` or a slope that is
/// a flushed denormal loses.
pub(super) fn product(d: f64, slope: f64, error: f64, t: Tol) -> f64 {
    let d_x = d * slope;
    d.abs() * (error + M) + t.rounded(d_x) + 2.0 * M * slope.abs()
}

/// One static and one method per gradient: documentation, kernel, whether it reads `x` or `y`, flops an element, bound
/// from `(x or y, d_y, d_x)`.
macro_rules! unary_backward {
    ($(
        $(#[$doc:meta])*
        $static:ident $name:ident $port:literal, $flops:literal, $bound:expr;
    )*) => {
        $(
            $(#[$doc])*
            pub static $static: Kernel = Kernel {
                name: stringify!($name),
                inputs: &[Port::f32($port).strided(), Port::f32("d_y").strided()],
                outputs: &["d_x"],
                shape,
                scalars: |c| scalars(c, &[("x", 0), ("d", 1)]),
                variants: &[
                    Variant {
                        how: "vec4",
                        shader: "elementwise/unary_backward_vec4",
                        applies: |c, _| whole_quads(c),
                        steps: &[Step { entry: concat!(stringify!($name), "_vec4"), grid: quads, loops: |_| 3 }],
                        ..Variant::BASE
                    },
                    Variant {
                        shader: "elementwise/unary_backward",
                        steps: &[Step { entry: stringify!($name), grid: elements, loops: |_| 3 }],
                        ..Variant::BASE
                    },
                ],
                work: |c| work(c, $flops),
                reference: |r| vec![reference::zip(r.f64(0), r.f64(1), reference::$name)],
                bound: |r, out| {
                    let bound: fn(f64, f64, f64, Tol) -> f64 = $bound;
                    bounds(r, out, |x, d, d_x| bound(x, d, d_x, r.tol))
                },
                backward: SECOND,
                ..Kernel::BASE
            };
        )*

        impl<'g> Tensor<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(self, d_y: Tensor<'g>) -> Tensor<'g> {
                    self.graph().dispatch(&$static, &[Some(self), Some(d_y)], &[])[0]
                }
            )*
        }
    };
}

unary_backward! {
    /// The gradient of `|x|`: `d_x = d_y·sign(x)`, 0 at 0. `self` is `x`.
    ABS_BACKWARD abs_backward "x", 1, |_, _, _, t| exact(t);
    /// The gradient of `y = √x`: `d_x = d_y/(2·y)`. `self` is `y`.
    SQRT_BACKWARD sqrt_backward "y", 2, |y, d, d_x, t| t.ulps(1.0, 2.5, d_x) + product(d, 0.5 / y, 0.0, t);
    /// The gradient of `y = 1/√x`: `d_x = −d_y·y³/2`. `self` is `y`.
    RSQRT_BACKWARD rsqrt_backward "y", 4, |y, d, _, t| factors(d, 0.5 * y * y * y, 2.0, t);
    /// The gradient of `y = 1/x`: `d_x = −d_y·y²`. `self` is `y`.
    RECIPROCAL_BACKWARD reciprocal_backward "y", 3, |y, d, _, t| factors(d, y * y, 1.0, t);
    /// The gradient of the sine: `d_x = d_y·cos x`. `self` is `x`.
    SIN_BACKWARD sin_backward "x", 21, |x, d, _, t| product(d, x.cos(), angle(x.cos(), t), t);
    /// The gradient of the cosine: `d_x = −d_y·sin x`. `self` is `x`.
    COS_BACKWARD cos_backward "x", 21, |x, d, _, t| product(d, x.sin(), angle(x.sin(), t), t);
    /// The gradient of `y = tanh x`: `d_x = d_y·(1 − y²)`. `self` is `y`.
    TANH_BACKWARD tanh_backward "y", 4, |y, d, _, t| factors(d, (1.0 - y) * (1.0 + y), 3.0, t);
    /// The gradient of the error function: `d_x = d_y·2/√π·e^(−x²)`. `self` is `x`.
    ERF_BACKWARD erf_backward "x", 20, |x, d, _, t| {
        let slope = reference::erf_backward(x, 1.0);
        product(d, slope, slope * (power(x * x, t) + 2.0 * unit(t)) + M, t)
    };
    /// The gradient of the logistic function `y`: `d_x = d_y·y·(1 − y)`. `self` is `y`.
    SIGMOID_BACKWARD sigmoid_backward "y", 3, |y, d, _, t| factors(d, y * (1.0 - y), 2.0, t);
    /// The gradient of `y = max(x, 0)`: `d_y` where `y > 0`, which is where `x > 0`. `self` is `y` or `x`.
    RELU_BACKWARD relu_backward "y", 1, |_, _, _, t| exact(t);
    /// The gradient of [`Tensor::gelu`]: `d_x = d_y·(Φ(x) + x·φ(x))`. `self` is `x`.
    GELU_BACKWARD gelu_backward "x", 34, |x, d, _, t| product(d, reference::gelu_backward(x, 1.0), gelu(x, t), t);
    /// The gradient of [`Tensor::gelu_tanh`]. `self` is `x`.
    GELU_TANH_BACKWARD gelu_tanh_backward "x", 32, |x, d, _, t| {
        product(d, reference::gelu_tanh_backward(x, 1.0), gelu_tanh(x, t), t)
    };
    /// The gradient of [`Tensor::quick_gelu`]: `d_x = d_y·s·(1 + 1.702·x·(1 − s))`, `s = sigmoid(1.702·x)`. `self` is `x`.
    QUICK_GELU_BACKWARD quick_gelu_backward "x", 24, |x, d, _, t| {
        let z = 1.702 * x.clamp(-128.0, 128.0);
        let off = 2.0 * unit(t) * z.abs();
        product(d, reference::quick_gelu_backward(x, 1.0), gate(z, off, z, off, t), t)
    };
    /// The gradient of [`Tensor::silu`]: `d_x = d_y·s·(1 + x·(1 − s))`, `s = sigmoid(x)`. `self` is `x`.
    SILU_BACKWARD silu_backward "x", 23, |x, d, _, t| {
        product(d, reference::silu_backward(x, 1.0), gate(x, 0.0, x, 0.0, t), t)
    };
    /// The gradient of [`Tensor::hardswish`]: `d_x = d_y·(2·x + 3)/6` between −3 and 3, 0 at and below −3, `d_y` at and
    /// above 3. `self` is `x`.
    HARDSWISH_BACKWARD hardswish_backward "x", 4, |x, d, _, t| {
        if x.abs() >= 3.0 { exact(t) } else { factors(d, (2.0 * x + 3.0) / 6.0, 3.0, t) }
    };
    /// The gradient of [`Tensor::mish`]. `self` is `x`.
    MISH_BACKWARD mish_backward "x", 36, |x, d, _, t| product(d, reference::mish_backward(x, 1.0), mish(x, t), t);
}

/// Nothing, or what an adapter loses that flushes denormals.
pub(super) fn exact(t: Tol) -> f64 {
    t.pick(0.0, M)
}

/// The relative error of one rounding.
pub(super) fn unit(t: Tol) -> f64 {
    t.pick(1.0, 2.0) * U
}

/// The relative error of `e^(−a)` (`Tol::exp`) whose exponent is itself rounded once.
pub(super) fn power(a: f64, t: Tol) -> f64 {
    t.pick(1.5 + 0.75 * a, 3.0 + 2.0 * a) * 2.0 * U + a * unit(t)
}

/// The relative error of `e^(−a)` at an exact `a`.
pub(super) fn exponential(a: f64, t: Tol) -> f64 {
    t.pick(1.5 + 0.75 * a, 3.0 + 2.0 * a) * 2.0 * U
}

/// `d·slope`, whose factors were rounded `roundings` times before the last product.
fn factors(d: f64, slope: f64, roundings: f64, t: Tol) -> f64 {
    product(d, slope, roundings * unit(t) * slope.abs(), t)
}

/// As the functions' own (`unary::angle`).
fn angle(y: f64, t: Tol) -> f64 {
    t.ulps(3.0, 6.0, y) + t.pick(1.0, 8.0) * 2f64.powi(-33)
}

/// The error of `σ(z)·(1 + p·σ(−z))` where `z` is off by `dz` and `p` by `dp`. Each σ has the relative error of the
/// kernel `sigmoid`, and moves by `σ(−z)·dz`, or `σ(z)·dz`, of itself.
fn gate(z: f64, dz: f64, p: f64, dp: f64, t: Tol) -> f64 {
    let (s, q) = (reference::sigmoid(z), reference::sigmoid(-z));
    let own = t.pick(5.0 + z.abs(), 7.0 + 2.0 * z.abs()) * 2.0 * U;
    let sum = 1.0 + p * q;
    let term = p.abs() * q * (own + dz * s + unit(t)) + dp * q;
    s * (sum.abs() * (own + dz * q + 2.0 * unit(t)) + term) + M * (1.0 + p.abs())
}

/// `z = c·(x + 0.044715·x³)` and `p = x·z′`: every term of `z` and of `z′` has one sign, so that both are off by their
/// roundings alone, at most eight.
fn gelu_tanh(x: f64, t: Tol) -> f64 {
    let near = x.clamp(-16.0, 16.0);
    let c = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let z = c * (near + 0.044715 * near * near * near);
    let p = c * near * (1.0 + 3.0 * 0.044715 * near * near);
    gate(z, 8.0 * unit(t) * z.abs(), p, 8.0 * unit(t) * p.abs(), t)
}

/// `g = e^(−x²/2)·(T − |x|/√2π)`, or `1 − g`: the two terms of `g` are off by the exponential's error and by theirs, that
/// of the tail `T` being ten roundings (its polynomial, and its argument, whose logarithm `T` follows at most
/// 2.3-fold).
fn gelu(x: f64, t: Tol) -> f64 {
    let near = x.abs().min(16.0);
    let (tail, density) = (reference::normal_tail(near), near * reference::normal_density(near));
    let exponent = power(0.5 * near * near, t);
    let g = (tail - density).abs();
    let terms = tail * (exponent + t.pick(10.0, 24.0) * U) + density * (exponent + 2.0 * unit(t));
    terms + g * 2.0 * unit(t) + if x < 0.0 { 0.0 } else { unit(t) * (1.0 + g) } + M * (1.0 + near)
}

/// `n·q + 4·x·e·(1 + e)·q²` with `e = e^(−|x|)` and `q` a quotient of positive sums, times `e` on the side where the first
/// has a factor `e`: an error of `e` moves the first term at most twice, the second at most 2.5 times as much.
fn mish(x: f64, t: Tol) -> f64 {
    let softplus = reference::softplus(x, 1.0, f64::INFINITY);
    let first = softplus.tanh();
    let second = reference::mish_backward(x, 1.0) - first;
    let (exponent, division) = (exponential(x.abs().min(104.0), t), t.pick(1.0, 5.0) * U);
    let e = (-x.abs()).exp();
    let moved = if x > 0.0 { e } else { 2.0 };
    first * (moved * exponent + 6.0 * unit(t) + division)
        + second.abs() * (2.5 * exponent + 14.0 * unit(t) + 2.0 * division)
        + (first + second).abs() * 2.0 * unit(t)
        + M * (1.0 + 4.0 * x.abs().min(104.0))
}

impl<'g> Tensor<'g> {
    /// The gradient of an activation by its name: `d_y` times the slope at `self`, the activation's argument.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if the activation is unknown or the shapes differ
    #[track_caller]
    pub fn activation_backward(self, d_y: Tensor<'g>, name: &str) -> Tensor<'g> {
        match name {
            "none" => d_y,
            "relu" => self.relu_backward(d_y),
            "gelu" => self.gelu_backward(d_y),
            "gelu_tanh" => self.gelu_tanh_backward(d_y),
            "quick_gelu" => self.quick_gelu_backward(d_y),
            "silu" => self.silu_backward(d_y),
            "sigmoid" => self.sigmoid().sigmoid_backward(d_y),
            "tanh" => self.tanh().tanh_backward(d_y),
            "softplus" => self.softplus_backward(d_y, 1.0, 20.0),
            "hardswish" => self.hardswish_backward(d_y),
            "mish" => self.mish_backward(d_y),
            "elu" => self.elu_backward(d_y, 1.0),
            "leaky_relu" => self.leaky_relu_backward(d_y, 0.01),
            other => {
                self.graph().reject("activation_backward", activation::unknown("activation", other));
                d_y
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::kernels::elementwise::activation::NAMES;
    use crate::tensor::Dtype;

    #[test]
    fn every_activation_has_a_gradient_and_no_other_name() {
        for name in NAMES {
            let g = Graph::new();
            let (x, d) = (g.input("x", Dtype::F32, &[3]), g.input("d", Dtype::F32, &[3]));
            g.output("d_x", x.activation_backward(d, name));
            assert!(g.build().is_ok(), "{name}");
        }
        let g = Graph::new();
        let x = g.input("x", Dtype::F32, &[3]);
        x.activation_backward(x, "swish");
        let text = g.build().unwrap_err().to_string();
        assert!(text.contains("activation_backward: activation is 'swish', expected one of none, relu"), "{text}");
    }
}

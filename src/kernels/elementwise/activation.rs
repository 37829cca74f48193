//! The activations that kernels can apply to their result. Shader: shaders/lib/activation.wgsl

use kernels_ref::elementwise as reference;

use crate::check::Tol;
use crate::graph::Tensor;
use crate::kernels::named;

/// Names by code, as `lib/activation.wgsl` counts them.
pub const NAMES: [&str; 13] = [
    "none",
    "relu",
    "gelu",
    "gelu_tanh",
    "quick_gelu",
    "silu",
    "sigmoid",
    "tanh",
    "softplus",
    "hardswish",
    "mish",
    "elu",
    "leaky_relu",
];

/// The code of an activation for `activate(v, kind)`, or `None` if there is none of that name.
pub fn code(name: &str) -> Option<u32> {
    NAMES.iter().position(|n| *n == name).map(|i| i as u32)
}

/// What a shape rule says about an unknown name.
pub fn unknown(param: &str, name: &str) -> String {
    format!("{param} is '{name}', expected one of {}", NAMES.join(", "))
}

/// The activation of `x` by its name; shape rules have refused unknown ones.
pub fn applied<'g>(x: Tensor<'g>, name: &str) -> Tensor<'g> {
    match named(name).filter(|_| name != "none") {
        Some(kernel) => x.graph().dispatch(kernel, &[Some(x)], &[])[0],
        None => x,
    }
}

/// The reference value; an unknown name is the identity (shape rules have refused it).
pub fn apply(name: &str, x: f64) -> f64 {
    match name {
        "relu" => reference::relu(x),
        "gelu" => reference::gelu(x),
        "gelu_tanh" => reference::gelu_tanh(x),
        "quick_gelu" => reference::quick_gelu(x),
        "silu" => reference::silu(x),
        "sigmoid" => reference::sigmoid(x),
        "tanh" => reference::tanh(x),
        "softplus" => reference::softplus(x, 1.0, 20.0),
        "hardswish" => reference::hardswish(x),
        "mish" => reference::mish(x),
        "elu" => reference::elu(x, 1.0),
        "leaky_relu" => reference::leaky_relu(x, 0.01),
        _ => x,
    }
}

/// The largest error of `y = activation(x)` if `x` itself is off by at most `dx`.
pub fn bound(name: &str, x: f64, y: f64, tol: Tol, dx: f64) -> f64 {
    let here = rounding(name, x, y, tol);
    if dx == 0.0 || !x.is_finite() {
        return here;
    }
    // Monotone, or with one minimum: the furthest value over x ± dx lies at an end.
    let (low, high) = (apply(name, x - dx), apply(name, x + dx));
    let moved = (low - y).abs().max((high - y).abs());
    moved + here.max(rounding(name, x - dx, low, tol)).max(rounding(name, x + dx, high, tol))
}

/// The error of evaluating the activation at exactly `x` (`docs/numerics.md` and the form in
/// `lib/activation.wgsl`).
pub fn rounding(name: &str, x: f64, y: f64, t: Tol) -> f64 {
    let a = x.abs();
    // A result that is x times a flushed denormal.
    let flush = f64::from(f32::MIN_POSITIVE) * a.min(1e4);
    match name {
        "none" => 0.0,
        "relu" => t.pick(0.0, f64::from(f32::MIN_POSITIVE)),
        // The slope is no f32.
        "leaky_relu" => t.ulps(1.0, 2.0, y),
        // e^(−x²/2) at an argument that is itself rounded.
        "gelu" => {
            let near = a.min(40.0);
            let tail = a * reference::normal_tail(near);
            tail * t.pick(6.0 + 0.9 * near * near, 12.0 + 3.0 * near * near) * 2f64.powi(-23)
                + t.ulps(1.0, 2.0, y)
                + flush
        }
        "gelu_tanh" => a * t.pick(2e-7, 1e-5) + t.ulps(2.0, 8.0, y),
        "quick_gelu" => t.ulps(6.0 + 3.5 * a, 9.0 + 7.0 * a, y) + flush,
        "silu" => t.ulps(6.0 + a, 8.0 + 2.0 * a, y) + flush,
        "sigmoid" => t.ulps(5.0 + a, 7.0 + 2.0 * a, y),
        "tanh" => t.ulps(8.0, 16.0, y).min(t.pick(2e-7, 1e-5)),
        "softplus" => {
            let negative = (-x).max(0.0);
            t.ulps(5.0 + negative, 9.0 + 2.0 * negative, y)
        }
        "hardswish" => t.ulps(3.0, 6.0, y),
        "mish" => t.ulps(6.0 + a, 12.0 + 4.0 * a, y) + flush,
        "elu" => t.ulps(if x > 0.0 { 0.0 } else { 6.0 }, if x > 0.0 { 0.0 } else { 10.0 }, y),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_shaders() {
        let shader = include_str!("../../../shaders/lib/activation.wgsl").replace("\n//", "");
        for (i, name) in NAMES.iter().enumerate() {
            assert_eq!(code(name), Some(i as u32));
            assert!(shader.contains(&format!(" {i} {name}")), "{i} {name} is not in the shader's list");
        }
        assert_eq!(code("swish"), None);
    }

    #[test]
    fn an_error_of_the_argument_moves_the_bound_by_the_slope() {
        let b = bound("silu", 3.0, apply("silu", 3.0), Tol::GOLD, 1e-3);
        assert!((b - 1.088e-3).abs() < 1e-5, "{b}");
        assert_eq!(bound("relu", -1.0, 0.0, Tol::GOLD, 0.5), 0.0);
        assert_eq!(bound("none", 2.0, 2.0, Tol::GOLD, 0.25), 0.25);
    }
}

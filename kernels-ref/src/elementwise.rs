//! One output element from one element of each input: a function of numbers per kernel, and the loops
//! that apply it.

use rayon::prelude::*;

/// `f` of every element.
pub fn map(x: &[f64], f: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
    x.par_iter().with_min_len(4096).map(|&x| f(x)).collect()
}

/// `f` of every pair of elements.
pub fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64 + Sync) -> Vec<f64> {
    a.par_iter().zip(b).with_min_len(4096).map(|(&a, &b)| f(a, b)).collect()
}

/// `−x`.
pub fn neg(x: f64) -> f64 {
    -x
}

/// `|x|`.
pub fn abs(x: f64) -> f64 {
    x.abs()
}

/// −1, 0 or 1.
pub fn sign(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { f64::from(-i8::from(x < 0.0)) }
}

/// `eˣ`.
pub fn exp(x: f64) -> f64 {
    x.exp()
}

/// `ln x`.
pub fn log(x: f64) -> f64 {
    x.ln()
}

/// `√x`.
pub fn sqrt(x: f64) -> f64 {
    x.sqrt()
}

/// `1/√x`.
pub fn rsqrt(x: f64) -> f64 {
    1.0 / x.sqrt()
}

/// `x²`.
pub fn square(x: f64) -> f64 {
    x * x
}

/// `1/x`.
pub fn reciprocal(x: f64) -> f64 {
    1.0 / x
}

/// The largest whole number not above `x`.
pub fn floor(x: f64) -> f64 {
    x.floor()
}

/// `sin x`.
pub fn sin(x: f64) -> f64 {
    x.sin()
}

/// `cos x`.
pub fn cos(x: f64) -> f64 {
    x.cos()
}

/// `2/√π · ∫₀ˣ e^(−t²) dt`.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// `max(x, 0)`.
pub fn relu(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

/// `x` if positive, else `slope·x`.
pub fn leaky_relu(x: f64, slope: f64) -> f64 {
    if x > 0.0 { x } else { slope * x }
}

/// `x` if positive, else `alpha·(eˣ − 1)` (Clevert et al. 2015, arXiv:1511.07289).
pub fn elu(x: f64, alpha: f64) -> f64 {
    if x > 0.0 { x } else { alpha * x.exp_m1() }
}

/// `ln(1 + e^(beta·x))/beta`; `x` where `beta·x > threshold`.
pub fn softplus(x: f64, beta: f64, threshold: f64) -> f64 {
    let z = beta * x;
    if z > threshold { x } else { (z.max(0.0) + (-z.abs()).exp().ln_1p()) / beta }
}

/// `1/(1 + e⁻ˣ)`.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `tanh x`.
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// `x·sigmoid(x)` (Elfwing et al. 2017, arXiv:1702.03118).
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// `x·sigmoid(1.702·x)` (Hendrycks, Gimpel 2016, arXiv:1606.08415).
pub fn quick_gelu(x: f64) -> f64 {
    x / (1.0 + (-1.702 * x).exp())
}

/// `Φ(−t)`, the upper tail of the normal distribution.
pub fn normal_tail(t: f64) -> f64 {
    0.5 * libm::erfc(t * std::f64::consts::FRAC_1_SQRT_2)
}

/// `x·Φ(x)` (Hendrycks, Gimpel 2016, arXiv:1606.08415).
pub fn gelu(x: f64) -> f64 {
    x * normal_tail(-x)
}

/// `x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2`.
pub fn gelu_tanh(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    // (1 + tanh u)/2 = 1/(1 + e^(−2u)), which keeps its digits for u far below 0.
    x / (1.0 + (-2.0 * u).exp())
}

/// `x·min(max(x + 3, 0), 6)/6` (Howard et al. 2019, arXiv:1905.02244).
pub fn hardswish(x: f64) -> f64 {
    x * (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// `x·tanh(ln(1 + eˣ))` (Misra 2019, arXiv:1908.08681).
pub fn mish(x: f64) -> f64 {
    x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh()
}

/// `min(max(x, low), high)`.
pub fn clamp(x: f64, low: f64, high: f64) -> f64 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// `a + b`.
pub fn add(a: f64, b: f64) -> f64 {
    a + b
}

/// `a − b`.
pub fn sub(a: f64, b: f64) -> f64 {
    a - b
}

/// `a·b`.
pub fn mul(a: f64, b: f64) -> f64 {
    a * b
}

/// `a/b`.
pub fn div(a: f64, b: f64) -> f64 {
    a / b
}

/// The larger of two.
pub fn maximum(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The smaller of two.
pub fn minimum(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// `a^b` (IEEE 754: `0^0` is 1; NaN for a negative base and an exponent that is not whole).
pub fn pow(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// `d_y·sign(x)`.
pub fn abs_backward(x: f64, d_y: f64) -> f64 {
    d_y * sign(x)
}

/// `d_y/(2·y)` with `y = √x`.
pub fn sqrt_backward(y: f64, d_y: f64) -> f64 {
    d_y / (2.0 * y)
}

/// `−d_y·y³/2` with `y = 1/√x`.
pub fn rsqrt_backward(y: f64, d_y: f64) -> f64 {
    -d_y * y * y * y / 2.0
}

/// `−d_y·y²` with `y = 1/x`.
pub fn reciprocal_backward(y: f64, d_y: f64) -> f64 {
    -d_y * y * y
}

/// `d_y·cos x`.
pub fn sin_backward(x: f64, d_y: f64) -> f64 {
    d_y * x.cos()
}

/// `−d_y·sin x`.
pub fn cos_backward(x: f64, d_y: f64) -> f64 {
    -d_y * x.sin()
}

/// `d_y·(1 − y²)` with `y = tanh x`.
pub fn tanh_backward(y: f64, d_y: f64) -> f64 {
    d_y * (1.0 - y) * (1.0 + y)
}

/// `d_y·2/√π·e^(−x²)`.
pub fn erf_backward(x: f64, d_y: f64) -> f64 {
    d_y * std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()
}

/// `d_y·y·(1 − y)` with `y = sigmoid(x)`.
pub fn sigmoid_backward(y: f64, d_y: f64) -> f64 {
    d_y * y * (1.0 - y)
}

/// `d_y` where `y = max(x, 0)` is positive, else 0.
pub fn relu_backward(y: f64, d_y: f64) -> f64 {
    if y > 0.0 { d_y } else { 0.0 }
}

/// `φ(x)`, the density of the normal distribution.
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// `d_y·(Φ(x) + x·φ(x))`.
pub fn gelu_backward(x: f64, d_y: f64) -> f64 {
    d_y * (normal_tail(-x) + x * normal_density(x))
}

/// `d_y·((1 + tanh u)/2 + x·(1 − tanh² u)·u′/2)` with `u = √(2/π)·(x + 0.044715·x³)`.
pub fn gelu_tanh_backward(x: f64, d_y: f64) -> f64 {
    let c = (2.0 / std::f64::consts::PI).sqrt();
    // Beyond 30, tanh u is ±1 in f64, and x³ may overflow.
    let near = x.clamp(-30.0, 30.0);
    let u = c * (near + 0.044715 * near * near * near);
    let slope = c * (1.0 + 3.0 * 0.044715 * near * near);
    // (1 + tanh u)/2 = σ(2u) and 1 − tanh² u = 4·σ(2u)·σ(−2u) keep their digits.
    let s = sigmoid(2.0 * u);
    d_y * (s + 2.0 * near * s * sigmoid(-2.0 * u) * slope)
}

/// `d_y·(s + 1.702·x·s·(1 − s))` with `s = sigmoid(1.702·x)`.
pub fn quick_gelu_backward(x: f64, d_y: f64) -> f64 {
    let z = 1.702 * x;
    d_y * sigmoid(z) * (1.0 + z * sigmoid(-z))
}

/// `d_y·(s + x·s·(1 − s))` with `s = sigmoid(x)`.
pub fn silu_backward(x: f64, d_y: f64) -> f64 {
    d_y * sigmoid(x) * (1.0 + x * sigmoid(-x))
}

/// `d_y·(2·x + 3)/6` between −3 and 3, 0 at and below −3, `d_y` at and above 3.
pub fn hardswish_backward(x: f64, d_y: f64) -> f64 {
    if x <= -3.0 {
        0.0
    } else if x < 3.0 {
        d_y * (2.0 * x + 3.0) / 6.0
    } else {
        d_y
    }
}

/// `d_y·(t + x·(1 − t²)·sigmoid(x))` with `t = tanh(ln(1 + eˣ))`.
pub fn mish_backward(x: f64, d_y: f64) -> f64 {
    let t = softplus(x, 1.0, f64::INFINITY).tanh();
    d_y * (t + x * (1.0 - t) * (1.0 + t) * sigmoid(x))
}

/// `d_y` where `x > 0`, else `slope·d_y`.
pub fn leaky_relu_backward(x: f64, d_y: f64, slope: f64) -> f64 {
    if x > 0.0 { d_y } else { slope * d_y }
}

/// `d_y` where `x > 0`, else `alpha·eˣ·d_y` (Clevert et al. 2015, arXiv:1511.07289).
pub fn elu_backward(x: f64, d_y: f64, alpha: f64) -> f64 {
    if x > 0.0 { d_y } else { alpha * x.exp() * d_y }
}

/// `d_y·sigmoid(beta·x)`; `d_y` where `beta·x > threshold`.
pub fn softplus_backward(x: f64, d_y: f64, beta: f64, threshold: f64) -> f64 {
    if beta * x > threshold { d_y } else { d_y * sigmoid(beta * x) }
}

/// `d_y` where `low ≤ x ≤ high`, else 0.
pub fn clamp_backward(x: f64, d_y: f64, low: f64, high: f64) -> f64 {
    if (low..=high).contains(&x) { d_y } else { 0.0 }
}

/// The gradients of `a` and `b`: `d_y` for the larger, half of it for each of two equal numbers.
pub fn maximum_backward(a: f64, b: f64, d_y: f64) -> (f64, f64) {
    if a == b {
        (0.5 * d_y, 0.5 * d_y)
    } else if a > b {
        (d_y, 0.0)
    } else {
        (0.0, d_y)
    }
}

/// The gradients of `a` and `b`: `d_y` for the smaller, half of it for each of two equal numbers.
pub fn minimum_backward(a: f64, b: f64, d_y: f64) -> (f64, f64) {
    maximum_backward(-a, -b, d_y)
}

/// `d_y·b·a^(b − 1)`, and 0 where `b` is: there `y` is 1 whatever `a`.
pub fn pow_backward_a(a: f64, b: f64, d_y: f64) -> f64 {
    if b == 0.0 { 0.0 } else { d_y * b * a.powf(b - 1.0) }
}

/// `d_y·y·ln a` with `y = a^b`, and 0 where `a` is 0 and `b` is not negative: there `y` is 0 beside `b`.
pub fn pow_backward_b(a: f64, b: f64, y: f64, d_y: f64) -> f64 {
    if a == 0.0 && b >= 0.0 { 0.0 } else { d_y * y * a.ln() }
}

/// 1 where `a ⋈ b` holds, else 0; `relation` is one of `eq ne lt le gt ge`.
pub fn compare(a: &[f64], b: &[f64], relation: &str) -> Vec<f64> {
    let holds = |a: f64, b: f64| match relation {
        "eq" => a == b,
        "ne" => a != b,
        "lt" => a < b,
        "le" => a <= b,
        "gt" => a > b,
        _ => a >= b,
    };
    zip(a, b, |a, b| f64::from(u8::from(holds(a, b))))
}

/// `a` where the mask is not 0, else `b`.
pub fn r#where(mask: &[f64], a: &[f64], b: &[f64]) -> Vec<f64> {
    (0..mask.len()).map(|i| if mask[i] != 0.0 { a[i] } else { b[i] }).collect()
}

/// `activation(a + b)`.
pub fn add_activation(a: &[f64], b: &[f64], activation: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
    zip(a, b, |a, b| activation(a + b))
}

/// `activation(a)·b` (Shazeer 2020, arXiv:2002.05202, eq. 5–6).
pub fn mul_activation(a: &[f64], b: &[f64], activation: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
    zip(a, b, |a, b| activation(a) * b)
}

/// Conversion between `f32`, `i32` and `u32` by the rules of Rust's `as`. A result in `f32` is left
/// unrounded.
pub fn cast(x: &[f64], from: &str, to: &str) -> Vec<f64> {
    map(x, |v| match (from, to) {
        ("f32", "i32") => f64::from(v as i32),
        ("f32", "u32") => f64::from(v as u32),
        ("u32", "i32") => f64::from(v as u32 as i32),
        ("i32", "u32") => f64::from(v as i32 as u32),
        _ => v,
    })
}

/// `n` times `value`.
pub fn fill(n: usize, value: f64) -> Vec<f64> {
    vec![value; n]
}

/// `start + i·step` for `i` in `0..n`.
pub fn iota(n: usize, start: f64, step: f64) -> Vec<f64> {
    (0..n).map(|i| start + i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-14 * want.abs(), "{got:e} is not {want:e}");
    }

    // mpmath, 30 digits: x*ncdf(x), x*(1+tanh(u))/2, x*tanh(log(1+exp(x))), …
    #[test]
    fn activations_keep_their_digits_far_below_zero() {
        close(gelu(-8.0), -4.976_768_459_417_427e-15);
        close(silu(-40.0), -1.699_341_702_116_635_6e-16);
        close(softplus(-40.0, 1.0, 20.0), 4.248_354_255_291_589e-18);
        close(elu(-1e-10, 1.0), -9.999_999_999_5e-11);
        close(softplus(30.0, 1.0, 20.0), 30.0);
        close(softplus(1.0, 2.0, 20.0), 1.063_464_005_521_486_2);
        close(leaky_relu(-2.0, 0.01), -0.02);
    }

    #[test]
    fn hardswish_is_flat_then_the_identity() {
        assert_eq!([-4.0, -3.0, 0.0, 3.0, 5.0].map(hardswish), [0.0, 0.0, 0.0, 3.0, 5.0]);
        close(hardswish(1.0), 2.0 / 3.0);
    }

    #[test]
    fn powers_follow_ieee_754() {
        assert_eq!([pow(0.0, 0.0), pow(-2.0, 3.0), pow(-2.0, -2.0), pow(0.0, -1.0)], [1.0, -8.0, 0.25, f64::INFINITY]);
        assert!(pow(-2.0, 0.5).is_nan());
    }

    #[test]
    fn casts_are_rusts() {
        let x = [0.9, -0.9, 3e9, -3e9, f64::NAN];
        assert_eq!(cast(&x, "f32", "i32"), [0.0, 0.0, 2147483647.0, -2147483648.0, 0.0]);
        assert_eq!(cast(&x, "f32", "u32"), [0.0, 0.0, 3e9, 0.0, 0.0]);
        assert_eq!(cast(&[-1.0], "i32", "u32"), [4294967295.0]);
        assert_eq!(cast(&[4294967295.0], "u32", "i32"), [-1.0]);
    }

    #[test]
    fn relations_choices_and_chains() {
        assert_eq!(compare(&[1.0, 2.0, 3.0], &[2.0; 3], "le"), [1.0, 1.0, 0.0]);
        assert_eq!(compare(&[0.0], &[-0.0], "eq"), [1.0]);
        assert_eq!(r#where(&[1.0, 0.0], &[1.0, 2.0], &[3.0, 4.0]), [1.0, 4.0]);
        assert_eq!(add_activation(&[1.0, -3.0], &[1.0, 1.0], relu), [2.0, 0.0]);
        assert_eq!(mul_activation(&[1.0, -3.0], &[2.0, 2.0], relu), [2.0, 0.0]);
        assert_eq!(iota(3, 1.0, -2.0), [1.0, -1.0, -3.0]);
        assert_eq!([sign(-0.0), sign(-2.0), sign(3.0)], [0.0, -1.0, 1.0]);
    }
}

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

// Activations from + − × / alone: drivers' own exp loses |x|/2 ulp, their tanh all digits below 1e-6 and
// their log those near 1, so each function here has a form whose relative error stays a few ulp on its whole
// domain. exp_of only sees arguments ≤ 0, so nothing overflows. Polynomials are minimax fits of degree as
// written; the relative error of each is below 4e-8 before rounding.
//
// Codes (src/kernels/elementwise/activation.rs): 0 none, 1 relu, 2 gelu, 3 gelu_tanh, 4 quick_gelu, 5 silu,
// 6 sigmoid, 7 tanh, 8 softplus, 9 hardswish, 10 mish, 11 elu (alpha 1), 12 leaky_relu (slope 0.01).

// @import lib/exp

fn sigmoid_of(v: f32) -> f32 {
    let e = exp_of(-abs(v));
    return select(e, 1.0, v >= 0.0) / (1.0 + e);
}

// Odd series below 0.55, where 1 − e^(−2|v|) would cancel.
fn tanh_of(v: f32) -> f32 {
    let t = abs(v);
    let s = v * v;
    if (t < 0.55) {
        var p = -6.2824669e-3;
        p = p * s + 2.1077754e-2;
        p = p * s - 5.3853858e-2;
        p = p * s + 1.33326024e-1;
        p = p * s - 3.33333194e-1;
        return v + v * (s * p);
    }
    let e = exp_of(-2.0 * t);
    return sign(v) * ((1.0 - e) / (1.0 + e));
}

// e^v − 1 for v ≤ 0.
fn expm1_of(v: f32) -> f32 {
    if (v > -1.0) {
        let t = tanh_of(0.5 * v);
        return 2.0 * t / (1.0 - t);
    }
    return exp_of(v) - 1.0;
}

// ln(1 + e) for e in [0, 1], as 2·artanh(e / (2 + e)).
fn log1p_of(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let z = s * s;
    var p = 1.40122324e-1;
    p = p * z + 1.39995694e-1;
    p = p * z + 2.00108498e-1;
    p = p * z + 3.33332062e-1;
    return 2.0 * (s + s * (z * p));
}

// Φ(−t)·e^(t²/2) for t ≥ 0, a polynomial in 1/(1 + 0.35·t).
fn scaled_tail(t: f32) -> f32 {
    let k = 1.0 / (1.0 + 0.35 * t);
    var p = -2.9158030e-2;
    p = p * k + 1.44031614e-1;
    p = p * k - 2.55840391e-1;
    p = p * k + 1.59321249e-1;
    p = p * k - 2.3213394e-2;
    p = p * k + 1.05552927e-1;
    p = p * k + 1.19821183e-1;
    p = p * k + 1.39863536e-1;
    p = p * k + 1.39621302e-1;
    return p * k;
}

fn erf_of(v: f32) -> f32 {
    let t = abs(v);
    let s = v * v;
    if (t < 0.9) {
        var p = -6.0903578e-4;
        p = p * s + 5.0119623e-3;
        p = p * s - 2.6778908e-2;
        p = p * s + 1.12821408e-1;
        p = p * s - 3.76125246e-1;
        p = p * s + 1.28379151e-1;
        return v + v * p;
    }
    let near = min(t, 6.0);   // erf is 1 in f32 from 3.93 on
    return sign(v) * (1.0 - 2.0 * exp_of(-near * near) * scaled_tail(1.41421356 * near));
}

// max(x, 0) − |x|·Φ(−|x|): no 1 + erf, which would cancel for x < 0.
fn gelu_of(v: f32) -> f32 {
    let t = abs(v);
    let near = min(t, 16.0);   // e^(−128) is 0 in f32
    return max(v, 0.0) - t * (exp_of(-0.5 * near * near) * scaled_tail(near));
}

// (1 + tanh u)/2 is sigmoid(2u).
fn gelu_tanh_of(v: f32) -> f32 {
    let near = clamp(v, -16.0, 16.0);   // its cube must not overflow
    return v * sigmoid_of(1.59576912 * (near + 0.044715 * near * near * near));
}

fn softplus_of(v: f32) -> f32 {
    return max(v, 0.0) + log1p_of(exp_of(-abs(v)));
}

fn hardswish_of(v: f32) -> f32 {
    return v * (clamp(v + 3.0, 0.0, 6.0) * 0.166666672);
}

// tanh(ln(1 + e^v)) as a quotient of positive terms.
fn mish_of(v: f32) -> f32 {
    let e = exp_of(-abs(v));
    if (v > 0.0) {
        return v * ((1.0 + 2.0 * e) / (1.0 + 2.0 * e + 2.0 * e * e));
    }
    let n = e * (e + 2.0);
    return v * (n / (n + 2.0));
}

// `kind` is an override in every kernel, so that the driver keeps one case.
fn activate(v: f32, kind: u32) -> f32 {
    switch kind {
        case 1u: { return max(v, 0.0); }
        case 2u: { return gelu_of(v); }
        case 3u: { return gelu_tanh_of(v); }
        case 4u: { return v * sigmoid_of(1.702 * v); }
        case 5u: { return v * sigmoid_of(v); }
        case 6u: { return sigmoid_of(v); }
        case 7u: { return tanh_of(v); }
        case 8u: { return softplus_of(v); }
        case 9u: { return hardswish_of(v); }
        case 10u: { return mish_of(v); }
        case 11u: { if (v > 0.0) { return v; } return expm1_of(v); }
        case 12u: { return select(0.01 * v, v, v > 0.0); }
        default: { return v; }
    }
}

// The gradients of the functions of elementwise/unary, for one number: d times the slope, in terms of the argument v
// or, where that is exact, of the result y. Needs lib/activation, lib/math and lib/wide.

fn abs_backward_of(v: f32, d: f32) -> f32 { return select(select(0.0, -d, v < 0.0), d, v > 0.0); }
fn sqrt_backward_of(y: f32, d: f32) -> f32 { return 0.5 * d / y; }
fn rsqrt_backward_of(y: f32, d: f32) -> f32 { return -0.5 * (((d * y) * y) * y); }
fn reciprocal_backward_of(y: f32, d: f32) -> f32 { return -((d * y) * y); }
fn sin_backward_of(v: f32, d: f32) -> f32 { return d * cos_of(v); }
fn cos_backward_of(v: f32, d: f32) -> f32 { return -(d * sin_of(v)); }
fn relu_backward_of(y: f32, d: f32) -> f32 { return select(0.0, d, y > 0.0); }
fn sigmoid_backward_of(y: f32, d: f32) -> f32 { return d * (y * (1.0 - y)); }

// Not 1 − y², which cancels near 1, where 1 − y is exact.
fn tanh_backward_of(y: f32, d: f32) -> f32 { return d * ((1.0 - y) * (1.0 + y)); }

fn erf_backward_of(v: f32, d: f32) -> f32 {
    let near = min(abs(v), 12.0);   // e^(−144) is 0 in f32
    return d * (1.12837917 * exp_of(-near * near));
}

// σ(z)·(1 + p·σ(−z)), each σ with all its digits: the slope of v·σ(z(v)) with p = v·z′(v).
fn gate_slope(z: f32, p: f32) -> f32 {
    let e = exp_of(-abs(z));
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    let upper = z >= 0.0;
    return select(small, large, upper) * (1.0 + p * select(large, small, upper));
}

fn silu_backward_of(v: f32, d: f32) -> f32 { return d * gate_slope(v, v); }

fn quick_gelu_backward_of(v: f32, d: f32) -> f32 {
    let z = 1.702 * clamp(v, -128.0, 128.0);   // it must not be infinite
    return d * gate_slope(z, z);
}

fn gelu_tanh_backward_of(v: f32, d: f32) -> f32 {
    let near = clamp(v, -16.0, 16.0);   // its cube must not overflow
    let cubic = 0.044715 * near * near;
    return d * gate_slope(1.59576912 * (near + cubic * near), 1.59576912 * near * (1.0 + 3.0 * cubic));
}

// Φ(v) + v·φ(v), with g = Φ(−|v|) − |v|·φ(v) for the small side and 1 − g for the other.
fn gelu_backward_of(v: f32, d: f32) -> f32 {
    let near = min(abs(v), 16.0);   // e^(−128) is 0 in f32
    let g = exp_of(-0.5 * near * near) * (scaled_tail(near) - 0.398942280 * near);
    return d * select(1.0 - g, g, v < 0.0);
}

// (2v + 3)/6, whose sum is rounded once, and not v/3 + ½, which cancels at −1.5.
fn hardswish_backward_of(v: f32, d: f32) -> f32 {
    if (v <= -3.0) { return 0.0; }
    if (v >= 3.0) { return d; }
    return d * ((2.0 * v + 3.0) * 0.166666672);
}

// t + v·σ(v)·(1 − t²) with t = tanh(ln(1 + e^v)), as quotients over D of positive terms in e^(−|v|):
// 1 − t² = 4·(1 + e^v)²/D² with D = e^2v + 2·e^v + 2.
fn mish_backward_of(v: f32, d: f32) -> f32 {
    let near = clamp(v, -104.0, 104.0);   // beyond, e is 0 in f32
    let e = exp_of(-abs(near));
    if (v > 0.0) {
        let q = 1.0 / (1.0 + 2.0 * e + 2.0 * e * e);
        return d * ((1.0 + 2.0 * e) * q + (4.0 * near * e) * (e * (1.0 + e)) * q * q);
    }
    let q = 1.0 / (e * (e + 2.0) + 2.0);
    return d * (e * ((e + 2.0) * q + (4.0 * near) * (1.0 + e) * q * q));
}

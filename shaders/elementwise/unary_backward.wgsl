// unary_backward — the gradients of the functions of one number without parameters, one entry point each.
//
//   d_x[i] = d_y[i]·f′(x[i]), or the same in terms of y[i] = f(x[i])
//
// Formulas  src/kernels/elementwise/unary_backward.rs
// Shapes    x or y, d_y any strides, up to 8 axes, of one shape  →  d_x dense
// Grid      one invocation per element
// Numerics  forms that do not cancel beside the zeros of a slope (lib/unary_backward)
// Cost      reads 2·n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/wide
// @import lib/math
// @import lib/activation
// @import lib/unary_backward

// x0 … x7 are the strides of x or y.
struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, d_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // any strides
@group(0) @binding(2) var<storage, read> y: array<f32>;           // any strides, in place of x
@group(0) @binding(3) var<storage, read> d_y: array<f32>;         // any strides
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;   // (n)

override DENSE: bool;   // x or y, and d_y, lie row-major from their offsets

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

struct Places { x: u32, d: u32 }

fn places(i: u32) -> Places {
    if (DENSE) { return Places(params.x_offset + i, params.d_offset + i); }
    let c = coordinates(i);
    return Places(params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7,
        params.d_offset + c.c0 * params.d0 + c.c1 * params.d1 + c.c2 * params.d2 + c.c3 * params.d3
        + c.c4 * params.d4 + c.c5 * params.d5 + c.c6 * params.d6 + c.c7 * params.d7);
}

@compute @workgroup_size(WG)
fn abs_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = abs_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn sqrt_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = sqrt_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn rsqrt_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = rsqrt_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn reciprocal_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = reciprocal_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn sin_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = sin_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn cos_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = cos_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn tanh_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = tanh_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn erf_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = erf_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn sigmoid_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = sigmoid_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn relu_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = relu_backward_of(y[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn gelu_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = gelu_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn gelu_tanh_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = gelu_tanh_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn quick_gelu_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = quick_gelu_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn silu_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = silu_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn hardswish_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = hardswish_backward_of(x[p.x], d_y[p.d]); }
}
@compute @workgroup_size(WG)
fn mish_backward(at: At) {
    let i = element(at);
    if (i < params.n) { let p = places(i); d_x[i] = mish_backward_of(x[p.x], d_y[p.d]); }
}

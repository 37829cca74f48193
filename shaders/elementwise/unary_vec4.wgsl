// unary_vec4 — y = f(x) four elements at a time, for dense x whose count is a multiple of four.
//
//   y[i] = f(x[i])
//
// Formulas  src/kernels/elementwise/unary.rs
// Shapes    x (n)  →  y (n), both dense
// Grid      one invocation per four elements
// Numerics  as elementwise/unary, bit for bit
// Cost      reads n, writes n floats, 16 bytes at a time

// @import lib/grid
// @import lib/wide
// @import lib/math
// @import lib/activation
// @import lib/unary

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (n/4)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // (n/4)

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn quad(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

@compute @workgroup_size(WG)
fn neg_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(neg_of(v.x), neg_of(v.y), neg_of(v.z), neg_of(v.w)); }
}
@compute @workgroup_size(WG)
fn abs_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(abs_of(v.x), abs_of(v.y), abs_of(v.z), abs_of(v.w)); }
}
@compute @workgroup_size(WG)
fn sign_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(sign_of(v.x), sign_of(v.y), sign_of(v.z), sign_of(v.w)); }
}
@compute @workgroup_size(WG)
fn exp_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(exp_of(v.x), exp_of(v.y), exp_of(v.z), exp_of(v.w)); }
}
@compute @workgroup_size(WG)
fn log_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(log_of(v.x), log_of(v.y), log_of(v.z), log_of(v.w)); }
}
@compute @workgroup_size(WG)
fn sqrt_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(sqrt_of(v.x), sqrt_of(v.y), sqrt_of(v.z), sqrt_of(v.w)); }
}
@compute @workgroup_size(WG)
fn rsqrt_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(rsqrt_of(v.x), rsqrt_of(v.y), rsqrt_of(v.z), rsqrt_of(v.w)); }
}
@compute @workgroup_size(WG)
fn square_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(square_of(v.x), square_of(v.y), square_of(v.z), square_of(v.w)); }
}
@compute @workgroup_size(WG)
fn reciprocal_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(reciprocal_of(v.x), reciprocal_of(v.y), reciprocal_of(v.z), reciprocal_of(v.w)); }
}
@compute @workgroup_size(WG)
fn floor_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(floor_of(v.x), floor_of(v.y), floor_of(v.z), floor_of(v.w)); }
}
@compute @workgroup_size(WG)
fn sin_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(sin_of(v.x), sin_of(v.y), sin_of(v.z), sin_of(v.w)); }
}
@compute @workgroup_size(WG)
fn cos_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(cos_of(v.x), cos_of(v.y), cos_of(v.z), cos_of(v.w)); }
}
@compute @workgroup_size(WG)
fn tanh_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(tanh_of(v.x), tanh_of(v.y), tanh_of(v.z), tanh_of(v.w)); }
}
@compute @workgroup_size(WG)
fn erf_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(erf_of(v.x), erf_of(v.y), erf_of(v.z), erf_of(v.w)); }
}
@compute @workgroup_size(WG)
fn sigmoid_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(sigmoid_of(v.x), sigmoid_of(v.y), sigmoid_of(v.z), sigmoid_of(v.w)); }
}
@compute @workgroup_size(WG)
fn relu_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(relu_of(v.x), relu_of(v.y), relu_of(v.z), relu_of(v.w)); }
}
@compute @workgroup_size(WG)
fn gelu_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(gelu_of(v.x), gelu_of(v.y), gelu_of(v.z), gelu_of(v.w)); }
}
@compute @workgroup_size(WG)
fn gelu_tanh_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(gelu_tanh_of(v.x), gelu_tanh_of(v.y), gelu_tanh_of(v.z), gelu_tanh_of(v.w)); }
}
@compute @workgroup_size(WG)
fn quick_gelu_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(quick_gelu_of(v.x), quick_gelu_of(v.y), quick_gelu_of(v.z), quick_gelu_of(v.w)); }
}
@compute @workgroup_size(WG)
fn silu_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(silu_of(v.x), silu_of(v.y), silu_of(v.z), silu_of(v.w)); }
}
@compute @workgroup_size(WG)
fn hardswish_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(hardswish_of(v.x), hardswish_of(v.y), hardswish_of(v.z), hardswish_of(v.w)); }
}
@compute @workgroup_size(WG)
fn mish_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { let v = x[i]; y[i] = vec4(mish_of(v.x), mish_of(v.y), mish_of(v.z), mish_of(v.w)); }
}

// unary_backward_vec4 — the gradients of the functions of one number, four elements at a time, for dense inputs whose
// count is a multiple of four.
//
//   d_x[i] = d_y[i]·f′(x[i]), or the same in terms of y[i] = f(x[i])
//
// Formulas  src/kernels/elementwise/unary_backward.rs
// Shapes    x or y (n)  d_y (n)  →  d_x (n), all dense
// Grid      one invocation per four elements
// Numerics  as elementwise/unary_backward, bit for bit
// Cost      reads 2·n, writes n floats, 16 bytes at a time

// @import lib/grid
// @import lib/wide
// @import lib/math
// @import lib/activation
// @import lib/unary_backward

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;           // (n/4)
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;           // (n/4), in place of x
@group(0) @binding(3) var<storage, read> d_y: array<vec4<f32>>;         // (n/4)
@group(0) @binding(4) var<storage, read_write> d_x: array<vec4<f32>>;   // (n/4)

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn quad(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

@compute @workgroup_size(WG)
fn abs_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(abs_backward_of(v.x, d.x), abs_backward_of(v.y, d.y), abs_backward_of(v.z, d.z), abs_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn sqrt_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(sqrt_backward_of(v.x, d.x), sqrt_backward_of(v.y, d.y), sqrt_backward_of(v.z, d.z), sqrt_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn rsqrt_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(rsqrt_backward_of(v.x, d.x), rsqrt_backward_of(v.y, d.y), rsqrt_backward_of(v.z, d.z), rsqrt_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn reciprocal_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(reciprocal_backward_of(v.x, d.x), reciprocal_backward_of(v.y, d.y), reciprocal_backward_of(v.z, d.z), reciprocal_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn sin_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(sin_backward_of(v.x, d.x), sin_backward_of(v.y, d.y), sin_backward_of(v.z, d.z), sin_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn cos_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(cos_backward_of(v.x, d.x), cos_backward_of(v.y, d.y), cos_backward_of(v.z, d.z), cos_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn tanh_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(tanh_backward_of(v.x, d.x), tanh_backward_of(v.y, d.y), tanh_backward_of(v.z, d.z), tanh_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn erf_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(erf_backward_of(v.x, d.x), erf_backward_of(v.y, d.y), erf_backward_of(v.z, d.z), erf_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn sigmoid_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(sigmoid_backward_of(v.x, d.x), sigmoid_backward_of(v.y, d.y), sigmoid_backward_of(v.z, d.z), sigmoid_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn relu_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = y[i];
    let d = d_y[i];
    d_x[i] = vec4(relu_backward_of(v.x, d.x), relu_backward_of(v.y, d.y), relu_backward_of(v.z, d.z), relu_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn gelu_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(gelu_backward_of(v.x, d.x), gelu_backward_of(v.y, d.y), gelu_backward_of(v.z, d.z), gelu_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn gelu_tanh_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(gelu_tanh_backward_of(v.x, d.x), gelu_tanh_backward_of(v.y, d.y), gelu_tanh_backward_of(v.z, d.z), gelu_tanh_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn quick_gelu_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(quick_gelu_backward_of(v.x, d.x), quick_gelu_backward_of(v.y, d.y), quick_gelu_backward_of(v.z, d.z), quick_gelu_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn silu_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(silu_backward_of(v.x, d.x), silu_backward_of(v.y, d.y), silu_backward_of(v.z, d.z), silu_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn hardswish_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(hardswish_backward_of(v.x, d.x), hardswish_backward_of(v.y, d.y), hardswish_backward_of(v.z, d.z), hardswish_backward_of(v.w, d.w));
}
@compute @workgroup_size(WG)
fn mish_backward_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let v = x[i];
    let d = d_y[i];
    d_x[i] = vec4(mish_backward_of(v.x, d.x), mish_backward_of(v.y, d.y), mish_backward_of(v.z, d.z), mish_backward_of(v.w, d.w));
}

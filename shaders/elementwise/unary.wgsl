// unary — y = f(x) for the functions of one number without parameters, one entry point each. An op named
// like a WGSL function has the entry point `<op>_op`: the plain name would hide that function.
//
//   y[i] = f(x[i])
//
// Formulas  src/kernels/elementwise/unary.rs
// Shapes    x any strides, up to 8 axes  →  y dense, of the same shape
// Grid      one invocation per element
// Numerics  log, sin, cos, tanh, erf and the activations do not use the driver's (lib/math, lib/activation)
// Cost      reads n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/wide
// @import lib/math
// @import lib/activation
// @import lib/unary

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // any strides
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (n)

override DENSE: bool;   // x lies row-major from x_offset

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

fn x_at(i: u32) -> f32 {
    if (DENSE) { return x[params.x_offset + i]; }
    let c = coordinates(i);
    return x[params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7];
}

@compute @workgroup_size(WG)
fn neg(at: At) { let i = element(at); if (i < params.n) { y[i] = neg_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn abs_op(at: At) { let i = element(at); if (i < params.n) { y[i] = abs_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn sign_op(at: At) { let i = element(at); if (i < params.n) { y[i] = sign_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn exp_op(at: At) { let i = element(at); if (i < params.n) { y[i] = exp_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn log_op(at: At) { let i = element(at); if (i < params.n) { y[i] = log_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn sqrt_op(at: At) { let i = element(at); if (i < params.n) { y[i] = sqrt_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn rsqrt(at: At) { let i = element(at); if (i < params.n) { y[i] = rsqrt_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn square(at: At) { let i = element(at); if (i < params.n) { y[i] = square_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn reciprocal(at: At) { let i = element(at); if (i < params.n) { y[i] = reciprocal_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn floor_op(at: At) { let i = element(at); if (i < params.n) { y[i] = floor_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn sin_op(at: At) { let i = element(at); if (i < params.n) { y[i] = sin_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn cos_op(at: At) { let i = element(at); if (i < params.n) { y[i] = cos_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn tanh_op(at: At) { let i = element(at); if (i < params.n) { y[i] = tanh_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn erf(at: At) { let i = element(at); if (i < params.n) { y[i] = erf_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn sigmoid(at: At) { let i = element(at); if (i < params.n) { y[i] = sigmoid_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn relu(at: At) { let i = element(at); if (i < params.n) { y[i] = relu_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn gelu(at: At) { let i = element(at); if (i < params.n) { y[i] = gelu_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn gelu_tanh(at: At) { let i = element(at); if (i < params.n) { y[i] = gelu_tanh_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn quick_gelu(at: At) { let i = element(at); if (i < params.n) { y[i] = quick_gelu_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn silu(at: At) { let i = element(at); if (i < params.n) { y[i] = silu_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn hardswish(at: At) { let i = element(at); if (i < params.n) { y[i] = hardswish_of(x_at(i)); } }
@compute @workgroup_size(WG)
fn mish(at: At) { let i = element(at); if (i < params.n) { y[i] = mish_of(x_at(i)); } }

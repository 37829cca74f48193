// parametric_backward — the gradients of the functions of one number with parameters, one entry point each.
//
//   leaky_relu_backward   d_x[i] = d_y[i] if x[i] > 0, else p·d_y[i]                   p slope
//   elu_backward          d_x[i] = d_y[i] if x[i] > 0, else p·e^x[i]·d_y[i]            p alpha
//   softplus_backward     d_x[i] = d_y[i] if p·x[i] > q, else σ(p·x[i])·d_y[i]         p beta, q threshold
//   clamp_backward        d_x[i] = d_y[i] if p ≤ x[i] ≤ q, else 0                      p min, q max
//
// Papers    elu: Clevert et al. 2015, arXiv:1511.07289
// Shapes    x, d_y any strides, up to 8 axes, of one shape  →  d_x dense
// Grid      one invocation per element
// Numerics  e^x and σ of lib/exp and lib/activation
// Cost      reads 2·n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/activation

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, d_offset: u32,
    p: f32, q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // any strides
@group(0) @binding(2) var<storage, read> d_y: array<f32>;         // any strides
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (n)

override DENSE: bool;   // x and d_y lie row-major from their offsets

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

struct Pair { x: f32, d: f32 }

fn pair(i: u32) -> Pair {
    if (DENSE) { return Pair(x[params.x_offset + i], d_y[params.d_offset + i]); }
    let c = coordinates(i);
    return Pair(x[params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7],
        d_y[params.d_offset + c.c0 * params.d0 + c.c1 * params.d1 + c.c2 * params.d2 + c.c3 * params.d3
        + c.c4 * params.d4 + c.c5 * params.d5 + c.c6 * params.d6 + c.c7 * params.d7]);
}

@compute @workgroup_size(WG)
fn leaky_relu_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = pair(i);
    d_x[i] = select(params.p * v.d, v.d, v.x > 0.0);
}

@compute @workgroup_size(WG)
fn elu_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = pair(i);
    d_x[i] = select(v.d * (params.p * exp_of(min(v.x, 0.0))), v.d, v.x > 0.0);
}

@compute @workgroup_size(WG)
fn softplus_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = pair(i);
    let z = params.p * v.x;
    d_x[i] = select(v.d * sigmoid_of(z), v.d, z > params.q);
}

@compute @workgroup_size(WG)
fn clamp_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = pair(i);
    d_x[i] = select(0.0, v.d, v.x >= params.p && v.x <= params.q);
}

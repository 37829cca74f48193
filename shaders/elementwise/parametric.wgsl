// parametric — y = f(x; p, q) for the functions of one number with parameters, one entry point each.
//
//   leaky_relu   y[i] = x[i] if x[i] > 0, else p·x[i]                    p slope
//   elu          y[i] = x[i] if x[i] > 0, else p·(e^x[i] − 1)            p alpha
//   softplus     y[i] = x[i] if p·x[i] > q, else ln(1 + e^(p·x[i]))/p    p beta, q threshold
//   clamp        y[i] = min(max(x[i], p), q)                             p min, q max
//
// Papers    elu: Clevert et al. 2015, arXiv:1511.07289
// Shapes    x any strides, up to 8 axes  →  y dense, of the same shape
// Grid      one invocation per element
// Numerics  e^x − 1 and ln(1 + e) keep their relative accuracy near 0 (lib/activation)
// Cost      reads n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/activation

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    p: f32, q: f32,
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
fn leaky_relu(at: At) {
    let i = element(at);
    if (i < params.n) {
        let v = x_at(i);
        y[i] = select(params.p * v, v, v > 0.0);
    }
}

@compute @workgroup_size(WG)
fn elu(at: At) {
    let i = element(at);
    if (i < params.n) {
        let v = x_at(i);
        y[i] = select(params.p * expm1_of(min(v, 0.0)), v, v > 0.0);
    }
}

@compute @workgroup_size(WG)
fn softplus(at: At) {
    let i = element(at);
    if (i < params.n) {
        let v = x_at(i);
        let z = params.p * v;
        y[i] = select(softplus_of(z) / params.p, v, z > params.q);
    }
}

// Not named like its kernel: that name is WGSL's.
@compute @workgroup_size(WG)
fn clamp_op(at: At) {
    let i = element(at);
    if (i < params.n) { y[i] = min(max(x_at(i), params.p), params.q); }
}

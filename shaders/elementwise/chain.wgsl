// chain — two elementwise steps in one pass over memory.
//
//   add_activation   y[i] = activation(a[i] + b[i])     biases, residuals
//   mul_activation   y[i] = activation(a[i])·b[i]       gated MLPs: SwiGLU, GeGLU
//
// Paper     Shazeer 2020, arXiv:2002.05202, eq. 5–6
// Shapes    a, b any strides, up to 8 axes, already broadcast to one shape  →  y dense
// Grid      one invocation per element
// Numerics  activations of lib/activation
// Cost      reads up to 2·n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/activation

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, a_offset: u32,
    b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, b_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;         // any strides
@group(0) @binding(2) var<storage, read> b: array<f32>;         // any strides
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // (n)

override DENSE: bool;        // a and b lie row-major from their offsets
override ACTIVATION: u32;

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

struct Pair { a: f32, b: f32 }

fn pair(i: u32) -> Pair {
    if (DENSE) { return Pair(a[params.a_offset + i], b[params.b_offset + i]); }
    let c = coordinates(i);
    let at_a = params.a_offset + c.c0 * params.a0 + c.c1 * params.a1 + c.c2 * params.a2 + c.c3 * params.a3
        + c.c4 * params.a4 + c.c5 * params.a5 + c.c6 * params.a6 + c.c7 * params.a7;
    let at_b = params.b_offset + c.c0 * params.b0 + c.c1 * params.b1 + c.c2 * params.b2 + c.c3 * params.b3
        + c.c4 * params.b4 + c.c5 * params.b5 + c.c6 * params.b6 + c.c7 * params.b7;
    return Pair(a[at_a], b[at_b]);
}

@compute @workgroup_size(WG)
fn add_activation(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    y[i] = activate(p.a + p.b, ACTIVATION);
}

@compute @workgroup_size(WG)
fn mul_activation(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    y[i] = activate(p.a, ACTIVATION) * p.b;
}

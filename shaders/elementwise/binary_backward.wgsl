// binary_backward — the gradients of functions of two numbers, one entry point each.
//
//   maximum_backward   d_a[i] = d_y[i] if a[i] > b[i], half of it if they are equal, else 0; d_b[i] the other way round
//   minimum_backward   as maximum, with a[i] < b[i]
//   pow_backward_a     d_a[i] = d_y[i]·b[i]·a[i]^(b[i] − 1); 0 where b[i] is
//   pow_backward_b     d_b[i] = d_y[i]·y[i]·ln a[i]; 0 where a[i] is 0 and b[i] is not negative
//
// Shapes    a, b, d_y any strides, up to 8 axes, of one shape  y dense  →  d_a, d_b dense
// Grid      one invocation per element
// Numerics  powers and logarithms of lib/math; d_b of a negative base is NaN
// Cost      reads up to 4·n, writes up to 2·n floats

// @import lib/grid
// @import lib/strided
// @import lib/wide
// @import lib/math

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, a_offset: u32,
    b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, b_offset: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, d_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;           // any strides
@group(0) @binding(2) var<storage, read> b: array<f32>;           // any strides
@group(0) @binding(3) var<storage, read> y: array<f32>;           // (n)
@group(0) @binding(4) var<storage, read> d_y: array<f32>;         // any strides
@group(0) @binding(5) var<storage, read_write> d_a: array<f32>;   // (n)
@group(0) @binding(6) var<storage, read_write> d_b: array<f32>;   // (n)

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

struct Three { a: f32, b: f32, d: f32 }

fn three(i: u32) -> Three {
    let c = coordinates(i);
    let at_a = params.a_offset + c.c0 * params.a0 + c.c1 * params.a1 + c.c2 * params.a2 + c.c3 * params.a3
        + c.c4 * params.a4 + c.c5 * params.a5 + c.c6 * params.a6 + c.c7 * params.a7;
    let at_b = params.b_offset + c.c0 * params.b0 + c.c1 * params.b1 + c.c2 * params.b2 + c.c3 * params.b3
        + c.c4 * params.b4 + c.c5 * params.b5 + c.c6 * params.b6 + c.c7 * params.b7;
    let at_d = params.d_offset + c.c0 * params.d0 + c.c1 * params.d1 + c.c2 * params.d2 + c.c3 * params.d3
        + c.c4 * params.d4 + c.c5 * params.d5 + c.c6 * params.d6 + c.c7 * params.d7;
    return Three(a[at_a], b[at_b], d_y[at_d]);
}

@compute @workgroup_size(WG)
fn maximum_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = three(i);
    let tied = select(0.0, 0.5 * v.d, v.a == v.b);
    d_a[i] = select(tied, v.d, v.a > v.b);
    d_b[i] = select(tied, v.d, v.b > v.a);
}

@compute @workgroup_size(WG)
fn minimum_backward(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = three(i);
    let tied = select(0.0, 0.5 * v.d, v.a == v.b);
    d_a[i] = select(tied, v.d, v.a < v.b);
    d_b[i] = select(tied, v.d, v.b < v.a);
}

@compute @workgroup_size(WG)
fn pow_backward_a(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = three(i);
    if (v.b == 0.0) {
        d_a[i] = 0.0;
        return;
    }
    d_a[i] = v.d * (v.b * pow_of(v.a, v.b - 1.0));
}

@compute @workgroup_size(WG)
fn pow_backward_b(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let v = three(i);
    if (v.a == 0.0 && v.b >= 0.0) {
        d_b[i] = 0.0;
        return;
    }
    d_b[i] = v.d * (y[i] * log_of(v.a));
}

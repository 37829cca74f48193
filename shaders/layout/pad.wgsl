// pad — add elements around a tensor.
//
//   y[c] = x[c − before]   inside; outside, per axis of size m, with c' = c − before:
//     constant   value
//     reflect    c' < 0: −c'        c' ≥ m: 2(m − 1) − c'
//     replicate  c' < 0: 0          c' ≥ m: m − 1
//     circular   c' < 0: c' + m     c' ≥ m: c' − m
//
// Shapes    x any strides, up to 8 axes  →  y dense
// Grid      one invocation per element of y
// Numerics  bits are moved, never interpreted
// Cost      reads at most n, writes n words

// @import lib/grid
// @import lib/strided

// n0 … n7 are the sizes of y, m0 … m7 those of x, b0 … b7 the elements added before.
struct Params {
    n: u32, value: f32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    m0: u32, m1: u32, m2: u32, m3: u32, m4: u32, m5: u32, m6: u32, m7: u32,
    b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;         // any strides
@group(0) @binding(2) var<storage, read_write> y: array<u32>;   // (n)

const WG = 64u;
const CONSTANT = 0u;
const REFLECT = 1u;
const REPLICATE = 2u;
override MODE: u32;   // of the above, or 3: circular

// The coordinate in x of coordinate c in y, along an axis of m elements; m where there is none.
fn source(c: u32, before: u32, m: u32) -> u32 {
    if (c >= before && c - before < m) { return c - before; }
    if (MODE == CONSTANT) { return m; }
    if (MODE == REFLECT) { return select(2u * (m - 1u) + before - c, before - c, c < before); }
    if (MODE == REPLICATE) { return select(m - 1u, 0u, c < before); }
    return select(c - before - m, c + m - before, c < before);
}

@compute @workgroup_size(WG)
fn pad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = coordinates(i);
    let s0 = source(c.c0, params.b0, params.m0);
    let s1 = source(c.c1, params.b1, params.m1);
    let s2 = source(c.c2, params.b2, params.m2);
    let s3 = source(c.c3, params.b3, params.m3);
    let s4 = source(c.c4, params.b4, params.m4);
    let s5 = source(c.c5, params.b5, params.m5);
    let s6 = source(c.c6, params.b6, params.m6);
    let s7 = source(c.c7, params.b7, params.m7);
    let inside = s0 < params.m0 && s1 < params.m1 && s2 < params.m2 && s3 < params.m3
        && s4 < params.m4 && s5 < params.m5 && s6 < params.m6 && s7 < params.m7;
    if (inside) {
        y[i] = x[params.x_offset + s0 * params.x0 + s1 * params.x1 + s2 * params.x2 + s3 * params.x3
            + s4 * params.x4 + s5 * params.x5 + s6 * params.x6 + s7 * params.x7];
    } else {
        y[i] = bitcast<u32>(params.value);
    }
}

// logsumexp_backward — the gradient of ln Σ e^x, from its result: every element gets its share of the sum.
//
//   d_x[i] = d_y[i]·e^(x[i] − y[i])
//
// Shapes    x, y, d_y any strides, up to 8 axes, y and d_y repeated to the shape of x  →  d_x dense
// Grid      one invocation per element
// Numerics  e^x of lib/exp; 0 where x is −∞, also if y is
// Cost      reads up to 3·n, writes n floats

// @import lib/grid
// @import lib/strided
// @import lib/exp

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    y0: u32, y1: u32, y2: u32, y3: u32, y4: u32, y5: u32, y6: u32, y7: u32, y_offset: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, d_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // any strides
@group(0) @binding(2) var<storage, read> y: array<f32>;           // any strides
@group(0) @binding(3) var<storage, read> d_y: array<f32>;         // any strides
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;   // (n)

const WG = 64u;

@compute @workgroup_size(WG)
fn logsumexp_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = coordinates(i);
    let v = x[params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7];
    let sum = y[params.y_offset + c.c0 * params.y0 + c.c1 * params.y1 + c.c2 * params.y2 + c.c3 * params.y3
        + c.c4 * params.y4 + c.c5 * params.y5 + c.c6 * params.y6 + c.c7 * params.y7];
    let d = d_y[params.d_offset + c.c0 * params.d0 + c.c1 * params.d1 + c.c2 * params.d2 + c.c3 * params.d3
        + c.c4 * params.d4 + c.c5 * params.d5 + c.c6 * params.d6 + c.c7 * params.d7];
    if (bitcast<u32>(v) == 0xff800000u) {
        d_x[i] = 0.0;
        return;
    }
    d_x[i] = d * exp_of(v - sum);
}

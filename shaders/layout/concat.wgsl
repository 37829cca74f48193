// concat — tensors one after the other along an axis.
//
//   y[o, r] = x_j[o, r − start_j]   for start_j ≤ r < end_j
//
// Shapes    x_j (O, size_j, I)  →  y (O, Σ size_j, I), two to four inputs of any 32-bit dtype
// Grid      one invocation per element
// Numerics  bits are moved, never interpreted
// Cost      reads n, writes n words

// @import lib/grid

// row = I·Σ size; end_j counts elements of a row up to and with input j, absent inputs being empty.
struct Params { n: u32, row: u32, end0: u32, end1: u32, end2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x0: array<u32>;        // (O, size_0, I)
@group(0) @binding(2) var<storage, read> x1: array<u32>;        // (O, size_1, I)
@group(0) @binding(3) var<storage, read> x2: array<u32>;        // (O, size_2, I), optional
@group(0) @binding(4) var<storage, read> x3: array<u32>;        // (O, size_3, I), optional
@group(0) @binding(5) var<storage, read_write> y: array<u32>;   // (O, Σ size, I)

const WG = 64u;

@compute @workgroup_size(WG)
fn concat(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let o = i / params.row;
    let r = i % params.row;
    if (r < params.end0) {
        y[i] = x0[o * params.end0 + r];
    } else if (r < params.end1) {
        y[i] = x1[o * (params.end1 - params.end0) + r - params.end0];
    } else if (r < params.end2) {
        y[i] = x2[o * (params.end2 - params.end1) + r - params.end1];
    } else {
        y[i] = x3[o * (params.row - params.end2) + r - params.end2];
    }
}

// embedding — rows of a table by their ids.
//
//   y[n, c] = w[ids[n], c]
//
// A table of more rows than one binding holds is bound in parts: each part writes the outputs whose id lies in
// its rows [first, first + rows) and leaves the others alone.
//
// Shapes    ids (N)  w (rows, C), f32 or f16  →  y (N, C)
// Grid      one invocation per element of y
// Numerics  values are moved; f16 widens without rounding; ids outside 0..vocab give zeros
// Cost      reads N·C + N, writes N·C

// @import lib/grid

struct Params { n: u32, cols: u32, first: u32, rows: u32, vocab: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<i32>;       // (N)
@group(0) @binding(2) var<storage, read> w: array<u32>;         // (rows, C)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // (N, C)

override W_F16: bool;

const WG = 64u;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

@compute @workgroup_size(WG)
fn embedding(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    // A negative id becomes a large one.
    let id = bitcast<u32>(ids[i / params.cols]);
    if (id >= params.vocab) {
        y[i] = 0.0;
    } else if (id >= params.first && id - params.first < params.rows) {
        y[i] = weight((id - params.first) * params.cols + i % params.cols);
    }
}

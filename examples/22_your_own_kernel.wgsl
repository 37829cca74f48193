// swish_gate — one half of every row gates the other.
//
//   y[r,c] = a · sigmoid(a) · x[r, C + c]   with a = x[r,c]
//
// Papers    Shazeer 2020, arXiv:2002.05202
// Shapes    x (R, 2·C)  →  y (R, C)
// Grid      one invocation per element of y
// Numerics  one exponential of −|a|, so that nothing overflows
// Cost      reads 2·R·C, writes R·C floats

// @import lib/grid

struct Params { n: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (R, 2·C)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (R, C)

const WG = 64u;

fn sigmoid(a: f32) -> f32 {
    let e = exp(-abs(a));
    return select(e, 1.0, a >= 0.0) / (1.0 + e);
}

@compute @workgroup_size(WG)
fn swish_gate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i < params.n) {
        let first = i / params.cols * 2u * params.cols + i % params.cols;
        let a = x[first];
        y[i] = a * sigmoid(a) * x[first + params.cols];
    }
}

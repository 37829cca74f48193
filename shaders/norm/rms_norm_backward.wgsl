// rms_norm_backward — the gradient of rms_norm with respect to its input.
//
//   x̂[r,c]   = x[r,c] · rstd[r]             g[r,c] = d_y[r,c] · w[c]
//   d_x[r,c] = rstd[r] · ( g[r,c] − 1/C · x̂[r,c] · Σ_k g[r,k] · x̂[r,k] )
//
// Paper     Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4, differentiated
// Shapes    x, d_y (R,C)  w (C)  rstd (R)  →  d_x (R,C)
// Grid      one workgroup per row; lanes stride over C. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  f32 sums, order fixed by WG
// Cost      reads 4·R·C + 2·C + R, writes R·C floats; ~10·R·C flops

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (R,C)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> d_y: array<f32>;          // (R,C)
@group(0) @binding(4) var<storage, read> rstd: array<f32>;         // (R)
@group(0) @binding(5) var<storage, read_write> d_x: array<f32>;    // (R,C)

override HAS_W: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn scaled(i: u32, c: u32) -> f32 {
    if (HAS_W) { return d_y[i] * w[c]; }
    return d_y[i];
}

fn finish(i: u32, c: u32, r: f32, dot: f32) {
    d_x[i] = r * (scaled(i, c) - x[i] * r * dot / f32(params.cols));
}

@compute @workgroup_size(WG)
fn rms_norm_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    let r = rstd[row];

    var own = 0.0;
    for (var c = lane; c < params.cols; c += WG) { own += scaled(base + c, c) * (x[base + c] * r); }
    let dot = workgroup_sum(own, lane);
    for (var c = lane; c < params.cols; c += WG) { finish(base + c, c, r, dot); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn rms_norm_backward_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    let r = rstd[row];

    var dot = 0.0;
    for (var c = 0u; c < params.cols; c++) { dot += scaled(base + c, c) * (x[base + c] * r); }
    for (var c = 0u; c < params.cols; c++) { finish(base + c, c, r, dot); }
}

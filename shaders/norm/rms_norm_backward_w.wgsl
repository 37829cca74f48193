// rms_norm_backward_w — the gradient of rms_norm with respect to its weight.
//
//   d_w[c] = Σ_r d_y[r,c] · x[r,c] · rstd[r]
//
//   step 1   parts[p] = that sum over the rows of part p
//   step 2   its sum over p
//
// Paper     Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4, differentiated
// Shapes    x, d_y (R,C)  rstd (R)  →  d_w (C); parts (P,C) of about √R rows each
// Grid      step 1 one invocation per part and column, neighbours in neighbouring columns; step 2 one per column
// Numerics  f32 sums, order fixed by R
// Cost      reads 2·R·C + R·C (rstd, from the cache), writes P·C + C floats; ~3·R·C flops

struct Params { rows: u32, cols: u32, parts_per_column: u32, part_rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (R,C)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;           // (R,C)
@group(0) @binding(3) var<storage, read> rstd: array<f32>;          // (R)
@group(0) @binding(4) var<storage, read_write> d_w: array<f32>;     // (C)
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;   // (P,C)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn rms_norm_backward_w_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.parts_per_column * params.cols) { return; }
    let p = i / params.cols;
    let c = i % params.cols;
    let end = min((p + 1u) * params.part_rows, params.rows);
    var sum = 0.0;
    for (var r = p * params.part_rows; r < end; r++) {
        sum += d_y[r * params.cols + c] * (x[r * params.cols + c] * rstd[r]);
    }
    parts[i] = sum;
}

@compute @workgroup_size(WG)
fn rms_norm_backward_w(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_group(group, groups) * WG + lane;
    if (c >= params.cols) { return; }
    var sum = 0.0;
    for (var p = 0u; p < params.parts_per_column; p++) { sum += parts[p * params.cols + c]; }
    d_w[c] = sum;
}

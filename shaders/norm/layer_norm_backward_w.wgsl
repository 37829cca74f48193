// layer_norm_backward_w — the gradients of layer_norm with respect to its weight and bias.
//
//   d_w[c] = Σ_r d_y[r,c] · (x[r,c] − mean[r]) · rstd[r]
//   d_b[c] = Σ_r d_y[r,c]
//
//   step 1   parts[p] = those sums over the rows of part p
//   step 2   their sums over p
//
// Paper     Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 4, differentiated
// Shapes    x, d_y (R,C)  mean, rstd (R)  →  d_w, d_b (C); parts (P,2,C) of about √R rows each
// Grid      step 1 one invocation per part and column, neighbours in neighbouring columns; step 2 one per column
// Numerics  f32 sums, order fixed by R
// Cost      reads 2·R·C + 2·R·C (mean and rstd, from the cache), writes 2·P·C + 2·C floats; ~5·R·C flops

struct Params { rows: u32, cols: u32, parts_per_column: u32, part_rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (R,C)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;           // (R,C)
@group(0) @binding(3) var<storage, read> mean: array<f32>;          // (R)
@group(0) @binding(4) var<storage, read> rstd: array<f32>;          // (R)
@group(0) @binding(5) var<storage, read_write> d_w: array<f32>;     // (C)
@group(0) @binding(6) var<storage, read_write> d_b: array<f32>;     // (C)
@group(0) @binding(7) var<storage, read_write> parts: array<f32>;   // (P,2,C)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn layer_norm_backward_w_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.parts_per_column * params.cols) { return; }
    let p = i / params.cols;
    let c = i % params.cols;
    let end = min((p + 1u) * params.part_rows, params.rows);
    var w_sum = 0.0;
    var b_sum = 0.0;
    for (var r = p * params.part_rows; r < end; r++) {
        let d = d_y[r * params.cols + c];
        w_sum += d * ((x[r * params.cols + c] - mean[r]) * rstd[r]);
        b_sum += d;
    }
    parts[2u * p * params.cols + c] = w_sum;
    parts[(2u * p + 1u) * params.cols + c] = b_sum;
}

@compute @workgroup_size(WG)
fn layer_norm_backward_w(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_group(group, groups) * WG + lane;
    if (c >= params.cols) { return; }
    var w_sum = 0.0;
    var b_sum = 0.0;
    for (var p = 0u; p < params.parts_per_column; p++) {
        w_sum += parts[2u * p * params.cols + c];
        b_sum += parts[(2u * p + 1u) * params.cols + c];
    }
    d_w[c] = w_sum;
    d_b[c] = b_sum;
}

// log_softmax — the logarithm of the softmax of every row.
//
//   m[r]   = max_c x[r,c]
//   y[r,c] = (x[r,c] − m[r]) − ln Σ_k exp(x[r,k] − m[r])
//
// Shapes    x (R,C)  →  y (R,C); parts (R,P,2), P ≤ WG
// Grid      one workgroup per row; lanes stride over C. Split: a workgroup per part of a row, in both of two
//           steps. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  f32 sums, order fixed by WG and the parts; −∞ stays −∞, also in a row of −∞ alone.
// Cost      reads 3·R·C, writes R·C floats; ~5·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32, parts_per_row: u32, part_cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (R,C)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;       // (R,C)
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;   // (R,P,2), only of split

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce
// @import lib/softmax_parts
// @import lib/activation

// The sum is at least 1, or 0 in a row of −∞ alone. Drivers' log loses its digits near 1.
fn log_of_sum(sum: f32) -> f32 {
    if (sum < 2.0) { return log1p_of(max(sum - 1.0, 0.0)); }
    return log(sum);
}

// −∞ stays −∞, also in a row of −∞ alone.
fn finish(v: f32, m: f32, log_sum: f32) -> f32 {
    return select(v - m - log_sum, v, masked(v));
}

@compute @workgroup_size(WG)
fn log_softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    let s = softmax_of_range(base, params.cols, lane);
    let log_sum = log_of_sum(s.sum);
    for (var c = lane; c < params.cols; c += WG) { y[base + c] = finish(x[base + c], s.m, log_sum); }
}

@compute @workgroup_size(WG)
fn log_softmax_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    write_part(part, lane);
}

@compute @workgroup_size(WG)
fn log_softmax_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    let row = part / params.parts_per_row;
    let p = part % params.parts_per_row;
    let s = softmax_of_parts(row, lane);
    let log_sum = log_of_sum(s.sum);
    let base = row * params.cols;
    let end = p * params.part_cols + part_len(p);
    for (var c = p * params.part_cols + lane; c < end; c += WG) { y[base + c] = finish(x[base + c], s.m, log_sum); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn log_softmax_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    let s = softmax_of_lane(base, params.cols);
    let log_sum = log_of_sum(s.sum);
    for (var c = 0u; c < params.cols; c++) { y[base + c] = finish(x[base + c], s.m, log_sum); }
}

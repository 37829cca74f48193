// softmax — turn every row into weights that are positive and sum to 1.
//
//   m[r]   = max_c x[r,c]
//   y[r,c] = exp(x[r,c] − m[r]) / Σ_k exp(x[r,k] − m[r])
//
// Shapes    x (R,C)  →  y (R,C); parts (R,P,2), P ≤ WG
// Grid      one workgroup per row; lanes stride over C. Split: a workgroup per part of a row, in both of two
//           steps. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  f32 sums, order fixed by WG and the parts; −∞ gives exactly 0, a row of −∞ alone zeros
// Cost      reads 3·R·C, writes R·C floats; ~5·R·C flops and 2·R·C exponentials

struct Params { rows: u32, cols: u32, parts_per_row: u32, part_cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (R,C)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;       // (R,C)
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;   // (R,P,2), only of split

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce
// @import lib/softmax_parts

// A row of −∞ alone has the sum 0: its weights are 0, not NaN.
fn inverse(sum: f32) -> f32 {
    return select(0.0, 1.0 / sum, sum > 0.0);
}

fn finish(v: f32, m: f32, scale: f32) -> f32 {
    return term(v, m) * scale;
}

@compute @workgroup_size(WG)
fn softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    let s = softmax_of_range(base, params.cols, lane);
    let scale = inverse(s.sum);
    for (var c = lane; c < params.cols; c += WG) { y[base + c] = finish(x[base + c], s.m, scale); }
}

@compute @workgroup_size(WG)
fn softmax_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    write_part(part, lane);
}

@compute @workgroup_size(WG)
fn softmax_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    let row = part / params.parts_per_row;
    let p = part % params.parts_per_row;
    let s = softmax_of_parts(row, lane);
    let scale = inverse(s.sum);
    let base = row * params.cols;
    let end = p * params.part_cols + part_len(p);
    for (var c = p * params.part_cols + lane; c < end; c += WG) { y[base + c] = finish(x[base + c], s.m, scale); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn softmax_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    let s = softmax_of_lane(base, params.cols);
    let scale = inverse(s.sum);
    for (var c = 0u; c < params.cols; c++) { y[base + c] = finish(x[base + c], s.m, scale); }
}

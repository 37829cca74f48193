// log_softmax_backward — the gradient of the logarithm of the softmax of every row, from its result.
//
//   d_x[r,c] = d_y[r,c] − exp(y[r,c])·Σ_k d_y[r,k]
//
// Shapes    y (R,C)  d_y (R,C)  →  d_x (R,C)
// Grid      one workgroup per row; lanes stride over C. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  f32 sums, order fixed by WG; y is at most 0, and −∞ has the weight 0
// Cost      reads 3·R·C, writes R·C floats; 3·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;           // (R,C)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;         // (R,C)
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (R,C)

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

// −∞ is found by its bits, since WGSL may assume there is none.
fn weight(v: f32) -> f32 {
    return select(exp(v), 0.0, bitcast<u32>(v) == 0xff800000u);
}

@compute @workgroup_size(WG)
fn log_softmax_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    var own = 0.0;
    for (var c = lane; c < params.cols; c += WG) { own += d_y[base + c]; }
    let sum = workgroup_sum(own, lane);
    for (var c = lane; c < params.cols; c += WG) { d_x[base + c] = d_y[base + c] - weight(y[base + c]) * sum; }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn log_softmax_backward_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    var sum = 0.0;
    for (var c = 0u; c < params.cols; c++) { sum += d_y[base + c]; }
    for (var c = 0u; c < params.cols; c++) { d_x[base + c] = d_y[base + c] - weight(y[base + c]) * sum; }
}

// cross_entropy_backward — the gradient of cross_entropy with respect to the logits.
//
//   p[r,c]        = e^(z[r,c] − lse[r])            z the logits, t = labels[r], v[c] = class_weight[c] or 1
//   d_logits[r,c] = d_loss[r] · ( p[r,c] · ( (1 − ε) · v[t] + ε/C · Σ_k v[k] ) − (1 − ε) · v[t] · [c = t] − ε/C · v[c] )
//                   0 if t is ignore_index
//
// Paper     ε, label smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7
// Shapes    logits (R,C)  labels, lse, d_loss (R)  class_weight (C)  →  d_logits (R,C)
// Grid      one workgroup per row; lanes stride over C. Direct: one lane per row, no barrier (for CPU adapters, and
//           few classes)
// Numerics  p carries the rounding of lse: relative |lse|·2⁻²⁴. A label outside 0..C gives NaN and reads nothing
// Cost      reads R·C, writes R·C floats; ~4·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32, ignore_index: i32, keep: f32, share: f32 }   // 1 − ε and ε/C

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;           // (R,C)
@group(0) @binding(2) var<storage, read> labels: array<i32>;           // (R)
@group(0) @binding(3) var<storage, read> class_weight: array<f32>;     // (C), optional
@group(0) @binding(4) var<storage, read> lse: array<f32>;              // (R)
@group(0) @binding(5) var<storage, read> d_loss: array<f32>;           // (R)
@group(0) @binding(6) var<storage, read_write> d_logits: array<f32>;   // (R,C)

override HAS_CLASS_WEIGHT: bool;
override SMOOTHING: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn weight_of(c: u32) -> f32 {
    if (HAS_CLASS_WEIGHT) { return class_weight[c]; }
    return 1.0;
}

// Of a row or of a lane's share of it.
fn weights_of(first: u32, step: u32) -> f32 {
    var sum = 0.0;
    for (var c = first; c < params.cols; c += step) { sum += class_weight[c]; }
    return sum;
}

// WGSL refuses a NaN that it can see.
fn not_a_number() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

fn write_row(row: u32, first: u32, step: u32, weights: f32) {
    let base = row * params.cols;
    let t = labels[row];
    if (t == params.ignore_index || t < 0 || t >= i32(params.cols)) {
        var v = 0.0;
        if (t != params.ignore_index) { v = not_a_number(); }
        for (var c = first; c < params.cols; c += step) { d_logits[base + c] = v; }
        return;
    }
    let of_label = params.keep * weight_of(u32(t));
    var of_all = of_label;
    if (SMOOTHING) { of_all += params.share * weights; }
    for (var c = first; c < params.cols; c += step) {
        var v = of_all * exp(logits[base + c] - lse[row]);
        if (c == u32(t)) { v -= of_label; }
        if (SMOOTHING) { v -= params.share * weight_of(c); }
        d_logits[base + c] = d_loss[row] * v;
    }
}

@compute @workgroup_size(WG)
fn cross_entropy_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    var weights = f32(params.cols);
    if (SMOOTHING && HAS_CLASS_WEIGHT) { weights = workgroup_sum(weights_of(lane, WG), lane); }
    write_row(row, lane, WG, weights);
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn cross_entropy_backward_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    var weights = f32(params.cols);
    if (SMOOTHING && HAS_CLASS_WEIGHT) { weights = weights_of(0u, 1u); }
    write_row(row, 0u, 1u, weights);
}

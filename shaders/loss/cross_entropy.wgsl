// cross_entropy — minus the logarithm of the probability that a row gives its label, perhaps smoothed and weighted.
//
//   m[r]      = max_c z[r,c]          z the logits, t = labels[r], v[c] = class_weight[c] or 1
//   lse[r]    = m[r] + ln Σ_c e^(z[r,c] − m[r])
//   weight[r] = v[t]                  0 if t is ignore_index
//   loss[r]   = (1 − ε) · v[t] · (lse[r] − z[r,t]) + ε/C · Σ_c v[c] · (lse[r] − z[r,c])      0 if t is ignore_index
//
// Paper     ε, label smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7
// Shapes    logits (R,C)  labels (R)  class_weight (C)  →  loss, lse, weight (R)
// Grid      one workgroup per row; lanes stride over C. Direct: one lane per row, no barrier (for CPU adapters, and
//           few classes)
// Numerics  f32 sums, order fixed by WG; m − z[r,t] and the logarithm are added, not lse and z. A label outside 0..C
//           gives NaN and reads nothing
// Cost      reads 2·R·C, writes 3·R floats; ~3·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32, ignore_index: i32, keep: f32, share: f32 }   // 1 − ε and ε/C

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;         // (R,C)
@group(0) @binding(2) var<storage, read> labels: array<i32>;         // (R)
@group(0) @binding(3) var<storage, read> class_weight: array<f32>;   // (C), optional
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;     // (R)
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;      // (R)
@group(0) @binding(6) var<storage, read_write> weight: array<f32>;   // (R)

override HAS_CLASS_WEIGHT: bool;
override SMOOTHING: bool;
override WG: u32;

const LOWEST = -3.4028235e38;

// @import lib/grid
// @import lib/workgroup_reduce
// @import lib/activation

// Of a row or of a lane's share of it, with m known: Σ e^(z − m), Σ v·(m − z), Σ v.
struct Sums { exponentials: f32, differences: f32, weights: f32 }

fn weight_of(c: u32) -> f32 {
    if (HAS_CLASS_WEIGHT) { return class_weight[c]; }
    return 1.0;
}

fn largest_of(base: u32, first: u32, step: u32) -> f32 {
    var m = LOWEST;
    for (var c = first; c < params.cols; c += step) { m = max(m, logits[base + c]); }
    return m;
}

fn sums_of(base: u32, first: u32, step: u32, m: f32) -> Sums {
    var s = Sums();
    for (var c = first; c < params.cols; c += step) {
        let z = logits[base + c];
        s.exponentials += exp(z - m);
        if (SMOOTHING) {
            s.differences += weight_of(c) * (m - z);
            s.weights += weight_of(c);
        }
    }
    return s;
}

// The sum is at least 1. Drivers' log loses its digits near 1.
fn log_of_sum(sum: f32) -> f32 {
    if (sum < 2.0) { return log1p_of(max(sum - 1.0, 0.0)); }
    return log(sum);
}

// WGSL refuses a NaN that it can see.
fn not_a_number() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

fn finish(row: u32, m: f32, s: Sums) {
    let log_sum = log_of_sum(s.exponentials);
    let t = labels[row];
    var l = 0.0;
    var v = 0.0;
    if (t != params.ignore_index) {
        if (t < 0 || t >= i32(params.cols)) {
            l = not_a_number();
        } else {
            v = weight_of(u32(t));
            l = params.keep * v * ((m - logits[row * params.cols + u32(t)]) + log_sum);
            if (SMOOTHING) { l += params.share * (s.differences + s.weights * log_sum); }
        }
    }
    loss[row] = l;
    lse[row] = m + log_sum;
    weight[row] = v;
}

@compute @workgroup_size(WG)
fn cross_entropy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    let m = workgroup_max(largest_of(base, lane, WG), lane);
    let own = sums_of(base, lane, WG, m);
    var all = Sums(workgroup_sum(own.exponentials, lane), 0.0, 0.0);
    if (SMOOTHING) {
        all.differences = workgroup_sum(own.differences, lane);
        all.weights = workgroup_sum(own.weights, lane);
    }
    if (lane == 0u) { finish(row, m, all); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn cross_entropy_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    let m = largest_of(base, 0u, 1u);
    finish(row, m, sums_of(base, 0u, 1u, m));
}

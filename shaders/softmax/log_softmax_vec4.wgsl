// log_softmax_vec4 — log_softmax for rows of a multiple of 4, read four elements at a time.
//
//   as log_softmax.wgsl, with C4 = C/4
//
// Shapes    x (R,C4)  →  y (R,C4) of vec4
// Grid      one workgroup per row; lanes stride over C4
// Numerics  four partial maxima and sums a lane, then the order of log_softmax.wgsl; −∞ as there
// Cost      reads 3·R·C, writes R·C floats; ~5·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (R,C4)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // (R,C4)

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce
// @import lib/activation

const LOWEST = -3.4028235e38;

fn masked(v: vec4<f32>) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) == vec4(0xff800000u);
}

fn terms(v: vec4<f32>, m: f32) -> vec4<f32> {
    return select(exp(v - m), vec4(0.0), masked(v));
}

// As in log_softmax.wgsl.
fn log_of_sum(sum: f32) -> f32 {
    if (sum < 2.0) { return log1p_of(max(sum - 1.0, 0.0)); }
    return log(sum);
}

@compute @workgroup_size(WG)
fn log_softmax_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let n = params.cols / 4u;
    let base = row * n;

    var largest = vec4(LOWEST);
    for (var c = lane; c < n; c += WG) {
        let v = x[base + c];
        largest = max(largest, select(v, vec4(LOWEST), masked(v)));
    }
    let m = workgroup_max(max(max(largest.x, largest.y), max(largest.z, largest.w)), lane);

    var sums = vec4<f32>();
    for (var c = lane; c < n; c += WG) { sums += terms(x[base + c], m); }
    let sum = workgroup_sum((sums.x + sums.y) + (sums.z + sums.w), lane);

    let log_sum = log_of_sum(sum);
    for (var c = lane; c < n; c += WG) {
        let v = x[base + c];
        y[base + c] = select(v - m - log_sum, v, masked(v));
    }
}

// log_softmax_subgroup — log_softmax for rows of a multiple of 4 that the lanes of a workgroup hold in registers: x is read
// once; the maximum and the sum are one subgroup operation and one barrier each.
//
//   as log_softmax.wgsl, with C4 = C/4
//
// Shapes    x (R,C4)  →  y (R,C4) of vec4; C4 up to 8·WG
// Grid      one workgroup per row; a lane holds HELD vectors, WG apart
// Numerics  four sums a lane, the subgroup's own order, then the subgroups in order; −∞ as in log_softmax.wgsl
// Cost      reads R·C, writes R·C floats; ~5·R·C flops and R·C exponentials; 512 bytes of workgroup memory
// Tried     not measured on a GPU: a third of the reads of log_softmax_vec4, and 2 barriers in place of 16 to 20

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (R,C4)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // (R,C4)

override WG: u32;
override HELD: u32;   // vectors of a lane, at most 8

// @import lib/grid
// @import lib/subgroup_reduce
// @import lib/activation

const LOWEST = -3.4028235e38;

// By its bits, since WGSL may assume that there is no −∞.
fn masked(v: vec4<f32>) -> vec4<bool> {
    return bitcast<vec4<u32>>(v) == vec4(0xff800000u);
}

// As in log_softmax.wgsl.
fn log_of_sum(sum: f32) -> f32 {
    if (sum < 2.0) { return log1p_of(max(sum - 1.0, 0.0)); }
    return log(sum);
}

@compute @workgroup_size(WG)
fn log_softmax_subgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) of_subgroup: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let s = Subgroup(subgroup, subgroups, of_subgroup);
    let n = params.cols / 4u;
    let base = row * n;

    var held: array<vec4<f32>, 8>;
    var largest = vec4(LOWEST);
    // @unroll
    for (var i = 0u; i < 8u; i++) {
        if (i < HELD) {
            let c = lane + i * WG;
            let bits = bitcast<vec4<u32>>(x[base + min(c, n - 1u)]);
            held[i] = bitcast<vec4<f32>>(select(vec4(0xff800000u), bits, c < n));
            largest = max(largest, select(held[i], vec4(LOWEST), masked(held[i])));
        }
    }
    let m = workgroup_max(largest, 0u, s);

    var sums = vec4<f32>();
    // @unroll
    for (var i = 0u; i < 8u; i++) {
        if (i < HELD) { sums += select(exp(held[i] - m), vec4(0.0), masked(held[i])); }
    }
    let log_sum = log_of_sum(workgroup_sum(sums, 1u, s));

    // @unroll
    for (var i = 0u; i < 8u; i++) {
        let c = lane + i * WG;
        if (i < HELD && c < n) { y[base + c] = select(held[i] - m - log_sum, held[i], masked(held[i])); }
    }
}

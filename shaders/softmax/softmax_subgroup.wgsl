// softmax_subgroup — softmax for rows that a subgroup holds in registers: x is read once, and there is no barrier.
//
//   as softmax.wgsl
//
// Shapes    x (R,C)  →  y (R,C); C up to HELD times the adapter's smallest subgroup
// Grid      a subgroup a row; workgroups go on to further rows where subgroups are larger than half of one
// Numerics  f32 sums, a lane's HELD elements in order, then the subgroup's own order; −∞ as in softmax.wgsl
// Cost      reads R·C, writes R·C floats; ~5·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (R,C)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (R,C)

const WG = 64u;
const HELD = 16u;
const LOWEST = -3.4028235e38;

// @import lib/grid

// By its bits, since WGSL may assume that there is no −∞.
fn masked(v: f32) -> bool {
    return bitcast<u32>(v) == 0xff800000u;
}

@compute @workgroup_size(WG)
fn softmax_subgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) of_group: u32,
    @builtin(num_subgroups) in_group: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
) {
    let step = groups.x * groups.y * in_group;
    for (var row = flat_group(group, groups) * in_group + of_group; row < params.rows; row += step) {
        let base = row * params.cols;
        var held: array<f32, 16>;
        var largest = LOWEST;
        // @unroll
        for (var i = 0u; i < HELD; i++) {
            let c = lane + i * lanes;
            let bits = bitcast<u32>(x[base + min(c, params.cols - 1u)]);
            held[i] = bitcast<f32>(select(0xff800000u, bits, c < params.cols));
            largest = max(largest, select(held[i], LOWEST, masked(held[i])));
        }
        let m = subgroupMax(largest);
        var sum = 0.0;
        // @unroll
        for (var i = 0u; i < HELD; i++) {
            held[i] = select(exp(held[i] - m), 0.0, masked(held[i]));
            sum += held[i];
        }
        let all = subgroupAdd(sum);
        let scale = select(0.0, 1.0 / all, all > 0.0);   // 0 where all are −∞
        // @unroll
        for (var i = 0u; i < HELD; i++) {
            let c = lane + i * lanes;
            if (c < params.cols) { y[base + c] = held[i] * scale; }
        }
    }
}

// log_softmax_backward_vec4 — log_softmax_backward for rows of a multiple of 4, read four elements at a time.
//
//   as log_softmax_backward.wgsl, with C4 = C/4
//
// Shapes    y (R,C4)  d_y (R,C4)  →  d_x (R,C4) of vec4
// Grid      one workgroup per row; lanes stride over C4
// Numerics  four partial sums a lane, then the order of log_softmax_backward.wgsl; −∞ as there
// Cost      reads 3·R·C, writes R·C floats; 3·R·C flops and R·C exponentials

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;           // (R,C4)
@group(0) @binding(2) var<storage, read> d_y: array<vec4<f32>>;         // (R,C4)
@group(0) @binding(3) var<storage, read_write> d_x: array<vec4<f32>>;   // (R,C4)

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn weights(v: vec4<f32>) -> vec4<f32> {
    return select(exp(v), vec4(0.0), bitcast<vec4<u32>>(v) == vec4(0xff800000u));
}

@compute @workgroup_size(WG)
fn log_softmax_backward_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let n = params.cols / 4u;
    let base = row * n;
    var own = vec4<f32>();
    for (var c = lane; c < n; c += WG) { own += d_y[base + c]; }
    let sum = workgroup_sum((own.x + own.y) + (own.z + own.w), lane);
    for (var c = lane; c < n; c += WG) { d_x[base + c] = d_y[base + c] - weights(y[base + c]) * sum; }
}

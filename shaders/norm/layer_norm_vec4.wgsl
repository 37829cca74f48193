// layer_norm_vec4 — layer_norm for rows of a multiple of 4, read four elements at a time.
//
//   as layer_norm.wgsl, with C4 = C/4
//
// Shapes    x (R,C4)  w (C4)  b (C4)  →  y (R,C4) of vec4  mean (R)  rstd (R)
// Grid      one workgroup per row; lanes stride over C4. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  two passes; four partial sums a lane, then the order of layer_norm.wgsl
// Cost      reads 3·R·C + 2·C, writes R·C + 2·R floats; ~8·R·C flops

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (R,C4)
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;         // (C4), optional
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;         // (C4), optional
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;   // (R,C4)
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;      // (R)
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;      // (R)

override HAS_W: bool;
override HAS_B: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn added(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn finish(i: u32, c: u32, m: f32, r: f32) {
    var v = (x[i] - m) * r;
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[i] = v;
}

@compute @workgroup_size(WG)
fn layer_norm_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let n = params.cols / 4u;
    let base = row * n;

    var sum = vec4<f32>();
    for (var c = lane; c < n; c += WG) { sum += x[base + c]; }
    let m = workgroup_sum(added(sum), lane) / f32(params.cols);

    var squares = vec4<f32>();
    for (var c = lane; c < n; c += WG) {
        let d = x[base + c] - m;
        squares += d * d;
    }
    let r = 1.0 / sqrt(workgroup_sum(added(squares), lane) / f32(params.cols) + params.eps);

    for (var c = lane; c < n; c += WG) { finish(base + c, c, m, r); }
    if (lane == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn layer_norm_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let n = params.cols / 4u;
    let base = row * n;

    var sum = vec4<f32>();
    for (var c = 0u; c < n; c++) { sum += x[base + c]; }
    let m = added(sum) / f32(params.cols);

    var squares = vec4<f32>();
    for (var c = 0u; c < n; c++) {
        let d = x[base + c] - m;
        squares += d * d;
    }
    let r = 1.0 / sqrt(added(squares) / f32(params.cols) + params.eps);

    for (var c = 0u; c < n; c++) { finish(base + c, c, m, r); }
    mean[row] = m;
    rstd[row] = r;
}

// layer_norm_backward — the gradient of layer_norm with respect to its input.
//
//   x̂[r,c]   = (x[r,c] − mean[r]) · rstd[r]             g[r,c] = d_y[r,c] · w[c]
//   d_x[r,c] = rstd[r] · ( g[r,c] − 1/C · ( Σ_k g[r,k] + x̂[r,c] · Σ_k g[r,k] · x̂[r,k] ) )
//
// Paper     Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 3–4, differentiated
// Shapes    x, d_y (R,C)  w (C)  mean, rstd (R)  →  d_x (R,C)
// Grid      one workgroup per row; lanes stride over C. Direct: one lane per row, no barrier (for CPU adapters)
// Numerics  f32 sums, order fixed by WG
// Cost      reads 4·R·C + 2·C + 2·R, writes R·C floats; ~13·R·C flops

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (R,C)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> d_y: array<f32>;          // (R,C)
@group(0) @binding(4) var<storage, read> mean: array<f32>;         // (R)
@group(0) @binding(5) var<storage, read> rstd: array<f32>;         // (R)
@group(0) @binding(6) var<storage, read_write> d_x: array<f32>;    // (R,C)

override HAS_W: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn scaled(i: u32, c: u32) -> f32 {
    if (HAS_W) { return d_y[i] * w[c]; }
    return d_y[i];
}

fn finish(i: u32, c: u32, m: f32, r: f32, sum: f32, dot: f32) {
    let normal = (x[i] - m) * r;
    d_x[i] = r * (scaled(i, c) - (sum + normal * dot) / f32(params.cols));
}

@compute @workgroup_size(WG)
fn layer_norm_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    let m = mean[row];
    let r = rstd[row];

    var own_sum = 0.0;
    var own_dot = 0.0;
    for (var c = lane; c < params.cols; c += WG) {
        let g = scaled(base + c, c);
        own_sum += g;
        own_dot += g * ((x[base + c] - m) * r);
    }
    let sum = workgroup_sum(own_sum, lane);
    let dot = workgroup_sum(own_dot, lane);
    for (var c = lane; c < params.cols; c += WG) { finish(base + c, c, m, r, sum, dot); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn layer_norm_backward_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * DIRECT_WG + lane;
    if (row >= params.rows) { return; }
    let base = row * params.cols;
    let m = mean[row];
    let r = rstd[row];

    var sum = 0.0;
    var dot = 0.0;
    for (var c = 0u; c < params.cols; c++) {
        let g = scaled(base + c, c);
        sum += g;
        dot += g * ((x[base + c] - m) * r);
    }
    for (var c = 0u; c < params.cols; c++) { finish(base + c, c, m, r, sum, dot); }
}

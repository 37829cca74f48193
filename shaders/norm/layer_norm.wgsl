// layer_norm — give every row zero mean and unit variance, then scale and shift.
//
//   mean[r] = 1/C · Σ_c x[r,c]
//   rstd[r] = 1 / √( 1/C · Σ_c (x[r,c] − mean[r])² + eps )
//   y[r,c]  = (x[r,c] − mean[r]) · rstd[r] · w[c] + b[c]
//
// Paper     Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 3–4
// Shapes    x (R,C)  w (C)  b (C)  →  y (R,C)  mean (R)  rstd (R)
// Grid      one workgroup per row; lanes stride over C
// Numerics  two passes, no E[x²]−E[x]²; f32 sums, order fixed by WG
// Cost      reads 3·R·C + 2·C, writes R·C + 2·R floats; ~8·R·C flops

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (R,C)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;            // (C), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;      // (R,C)
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;   // (R)
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;   // (R)

override HAS_W: bool;
override HAS_B: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn finish(i: u32, c: u32, m: f32, r: f32) {
    var v = (x[i] - m) * r;
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[i] = v;
}

@compute @workgroup_size(WG)
fn layer_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;

    var sum = 0.0;
    for (var c = lane; c < params.cols; c += WG) { sum += x[base + c]; }
    let m = workgroup_sum(sum, lane) / f32(params.cols);

    var squares = 0.0;
    for (var c = lane; c < params.cols; c += WG) {
        let d = x[base + c] - m;
        squares += d * d;
    }
    let r = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(params.cols) + params.eps);

    for (var c = lane; c < params.cols; c += WG) { finish(base + c, c, m, r); }
    if (lane == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

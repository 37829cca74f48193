// rms_norm — divide every row by its root mean square, then scale.
//
//   rstd[r] = 1 / √( 1/C · Σ_c x[r,c]² + eps )
//   y[r,c]  = x[r,c] · rstd[r] · w[c]
//
// Paper     Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4
// Shapes    x (R,C)  w (C)  →  y (R,C)  rstd (R)
// Grid      one workgroup per row; lanes stride over C
// Numerics  f32 sums, order fixed by WG; squares overflow above |x| = 1.8e19, as the formula's do
// Cost      reads 2·R·C + C, writes R·C + R floats; ~4·R·C flops

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (R,C)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read_write> y: array<f32>;      // (R,C)
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;   // (R)

override HAS_W: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn finish(i: u32, c: u32, r: f32) {
    var v = x[i] * r;
    if (HAS_W) { v *= w[c]; }
    y[i] = v;
}

@compute @workgroup_size(WG)
fn rms_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;

    var squares = 0.0;
    for (var c = lane; c < params.cols; c += WG) {
        let v = x[base + c];
        squares += v * v;
    }
    let r = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(params.cols) + params.eps);

    for (var c = lane; c < params.cols; c += WG) { finish(base + c, c, r); }
    if (lane == 0u) { rstd[row] = r; }
}

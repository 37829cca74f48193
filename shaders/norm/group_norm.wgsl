// group_norm, instance_norm — give every group of channels of a sample zero mean and unit variance, then
// scale and shift every channel, then apply an activation.
//
//   x[r,i] += shift[b,c], where there is one, as the time embedding of U-Nets         c the channel of element i
//   mean[r] = 1/N · Σ_i x[r,i]
//   rstd[r] = 1 / √( 1/N · Σ_i (x[r,i] − mean[r])² + eps )
//   y[r,i]  = act( (x[r,i] − mean[r]) · rstd[r] · w[c] + b[c] )
//
// Paper     Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7 · instance_norm (groups of one channel): Ulyanov,
//           Vedaldi, Lempitsky 2016, arXiv:1607.08022, eq. 4
// Shapes    x (B,C,S)  w (C)  b (C)  shift (B,C)  →  y (B,C,S)  mean (B,G)  rstd (B,G);  rows R = B·G of
//           N = C/G·S elements
// Grid      one workgroup per row; lanes stride over N
// Numerics  two passes, no E[x²]−E[x]²; f32 sums, order fixed by WG
// Cost      reads 3·B·C·S + 2·C, writes B·C·S + 2·R floats; ~8·B·C·S flops

struct Params { rows: u32, cols: u32, space: u32, groups: u32, group_channels: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;            // (C), optional
@group(0) @binding(4) var<storage, read> shift: array<f32>;        // (B,C), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;      // (B,C,S)
@group(0) @binding(6) var<storage, read_write> mean: array<f32>;   // (B,G)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;   // (B,G)

override HAS_W: bool;
override HAS_B: bool;
override HAS_SHIFT: bool;
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;
override WG: u32;

// @import lib/grid
// @import lib/activation
// @import lib/workgroup_reduce

// Element i of a row as the norm sees it.
fn seen(row: u32, i: u32) -> f32 {
    var v = x[row * params.cols + i];
    if (HAS_SHIFT) { v += shift[row * params.group_channels + i / params.space]; }
    return v;
}

fn normalise(row: u32, lane: u32) {
    let base = row * params.cols;
    var sum = 0.0;
    for (var i = lane; i < params.cols; i += WG) { sum += seen(row, i); }
    let m = workgroup_sum(sum, lane) / f32(params.cols);

    var squares = 0.0;
    for (var i = lane; i < params.cols; i += WG) {
        let d = seen(row, i) - m;
        squares += d * d;
    }
    let r = 1.0 / sqrt(workgroup_sum(squares, lane) / f32(params.cols) + params.eps);

    let first = row % params.groups * params.group_channels;
    for (var i = lane; i < params.cols; i += WG) {
        let c = first + i / params.space;
        var v = (seen(row, i) - m) * r;
        if (HAS_W) { v *= w[c]; }
        if (HAS_B) { v += b[c]; }
        y[base + i] = activate(activate(v, ACTIVATION), ACTIVATION_OUT);
    }
    if (lane == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

@compute @workgroup_size(WG)
fn group_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    normalise(row, lane);
}

@compute @workgroup_size(WG)
fn instance_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    normalise(row, lane);
}

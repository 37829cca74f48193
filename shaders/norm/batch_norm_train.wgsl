// batch_norm_train — normalise every channel by its own statistics over the batch, then scale and shift.
//
//   mean[c]     = 1/N · Σ_{b,s} x[b,c,s]                     N = B·S
//   variance[c] = 1/N · Σ_{b,s} (x[b,c,s] − mean[c])²
//   rstd[c]     = 1 / √( variance[c] + eps )
//   y[b,c,s]    = (x[b,c,s] − mean[c]) · rstd[c] · w[c] + b[c]
//
// Paper     Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 1
// Shapes    x (B,C,S)  w (C)  b (C)  →  y (B,C,S)  mean, variance, rstd (C)
// Grid      one workgroup per channel; lanes stride over N. Direct: one lane per channel, no barrier (for CPU
//           adapters)
// Numerics  two passes, no E[x²]−E[x]²; f32 sums, order fixed by WG
// Cost      reads 3·B·C·S + 2·C, writes B·C·S + 3·C floats; ~8·B·C·S flops

struct Params { channels: u32, space: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;                // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;                // (C), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;          // (B,C,S)
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;       // (C)
@group(0) @binding(6) var<storage, read_write> variance: array<f32>;   // (C)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;       // (C)

override HAS_W: bool;
override HAS_B: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

// Element i of channel c.
fn at(c: u32, i: u32) -> u32 {
    return (i / params.space * params.channels + c) * params.space + i % params.space;
}

fn finish(c: u32, i: u32, m: f32, r: f32) {
    var v = (x[at(c, i)] - m) * r;
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[at(c, i)] = v;
}

fn write_statistics(c: u32, m: f32, v: f32, r: f32) {
    mean[c] = m;
    variance[c] = v;
    rstd[c] = r;
}

@compute @workgroup_size(WG)
fn batch_norm_train(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_group(group, groups);
    if (c >= params.channels) { return; }   // uniform: c is the same in the whole workgroup

    var sum = 0.0;
    for (var i = lane; i < params.cols; i += WG) { sum += x[at(c, i)]; }
    let m = workgroup_sum(sum, lane) / f32(params.cols);

    var squares = 0.0;
    for (var i = lane; i < params.cols; i += WG) {
        let d = x[at(c, i)] - m;
        squares += d * d;
    }
    let v = workgroup_sum(squares, lane) / f32(params.cols);
    let r = 1.0 / sqrt(v + params.eps);

    for (var i = lane; i < params.cols; i += WG) { finish(c, i, m, r); }
    if (lane == 0u) { write_statistics(c, m, v, r); }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn batch_norm_train_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_group(group, groups) * DIRECT_WG + lane;
    if (c >= params.channels) { return; }

    var sum = 0.0;
    for (var i = 0u; i < params.cols; i++) { sum += x[at(c, i)]; }
    let m = sum / f32(params.cols);

    var squares = 0.0;
    for (var i = 0u; i < params.cols; i++) {
        let d = x[at(c, i)] - m;
        squares += d * d;
    }
    let v = squares / f32(params.cols);
    let r = 1.0 / sqrt(v + params.eps);

    for (var i = 0u; i < params.cols; i++) { finish(c, i, m, r); }
    write_statistics(c, m, v, r);
}

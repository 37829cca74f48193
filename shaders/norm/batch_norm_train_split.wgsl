// batch_norm_train_split — batch_norm_train for few channels of many elements: each channel is cut into parts, a
// workgroup each.
//
//   step 1   parts[p] = ( mean of part p, Σ_i (x[i] − mean of part p)² )
//   step 2   mean[c]     = Σ_p n_p · mean_p / N
//            variance[c] = Σ_p (M2_p + n_p · (mean_p − mean[c])²) / N
//   step 3   y as in batch_norm_train.wgsl
//
// Paper     Chan, Golub, LeVeque 1979, Updating formulae and a pairwise algorithm, eq. 1.5 for P parts
// Shapes    as batch_norm_train.wgsl; parts (C,P,2), P ≤ WG
// Grid      C·P workgroups in step 1; one per channel, a lane a part, in step 2; one invocation per element in step 3
// Numerics  two passes within a part; the merge adds squares of differences only
// Cost      reads 3·B·C·S + 4·C, writes B·C·S floats, and 4·C·P floats of scratch

struct Params { n: u32, channels: u32, space: u32, cols: u32, eps: f32, parts_per_row: u32, part_cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;                // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;                // (C), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;          // (B,C,S)
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;       // (C)
@group(0) @binding(6) var<storage, read_write> variance: array<f32>;   // (C)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;       // (C)
@group(0) @binding(8) var<storage, read_write> parts: array<f32>;      // (C,P,2)

override HAS_W: bool;
override HAS_B: bool;
override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

// Element i of channel c.
fn at(c: u32, i: u32) -> u32 {
    return (i / params.space * params.channels + c) * params.space + i % params.space;
}

// Elements of part p; the last one is shorter. P·part_cols < N + part_cols, so no part is empty.
fn part_len(p: u32) -> u32 {
    return min(params.part_cols, params.cols - p * params.part_cols);
}

@compute @workgroup_size(WG)
fn batch_norm_train_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.channels * params.parts_per_row) { return; }   // uniform, as part is
    let c = part / params.parts_per_row;
    let p = part % params.parts_per_row;
    let first = p * params.part_cols;
    let n = part_len(p);

    var sum = 0.0;
    for (var i = lane; i < n; i += WG) { sum += x[at(c, first + i)]; }
    let m = workgroup_sum(sum, lane) / f32(n);
    var squares = 0.0;
    for (var i = lane; i < n; i += WG) {
        let d = x[at(c, first + i)] - m;
        squares += d * d;
    }
    let m2 = workgroup_sum(squares, lane);
    if (lane == 0u) {
        parts[2u * part] = m;
        parts[2u * part + 1u] = m2;
    }
}

@compute @workgroup_size(WG)
fn batch_norm_train_split_merge(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_group(group, groups);
    if (c >= params.channels) { return; }   // uniform: c is the same in the whole workgroup
    var n_p = 0.0;
    var mean_p = 0.0;
    var m2_p = 0.0;
    if (lane < params.parts_per_row) {
        let p = 2u * (c * params.parts_per_row + lane);
        n_p = f32(part_len(lane));
        mean_p = parts[p];
        m2_p = parts[p + 1u];
    }
    let m = workgroup_sum(n_p * mean_p, lane) / f32(params.cols);
    let d_p = mean_p - m;
    let v = workgroup_sum(m2_p + n_p * d_p * d_p, lane) / f32(params.cols);
    if (lane == 0u) {
        mean[c] = m;
        variance[c] = v;
        rstd[c] = 1.0 / sqrt(v + params.eps);
    }
}

@compute @workgroup_size(WG)
fn batch_norm_train_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = i / params.space % params.channels;
    var v = (x[i] - mean[c]) * rstd[c];
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[i] = v;
}

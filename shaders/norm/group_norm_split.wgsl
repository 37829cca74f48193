// group_norm_split — group_norm for few long rows: each row is cut into parts, a workgroup each.
//
//   step 1   parts[p] = ( mean of part p, Σ_i (x[i] − mean of part p)² )
//   step 2   mean[r] = Σ_p n_p · mean_p / N
//            rstd[r] = 1 / √( Σ_p (M2_p + n_p · (mean_p − mean[r])²) / N + eps ), then y as in group_norm.wgsl
//
// Paper     Chan, Golub, LeVeque 1979, Updating formulae and a pairwise algorithm, eq. 1.5 for P parts
// Shapes    as group_norm.wgsl; parts (R,P,2), P ≤ WG
// Grid      R·P workgroups in both steps; step 2 merges the parts of its row, a lane each
// Numerics  two passes within a part; the merge adds squares of differences only
// Cost      reads 3·B·C·S + 2·C, writes B·C·S floats, and 2·R·P² floats of scratch from the cache

struct Params {
    rows: u32, cols: u32, space: u32, groups: u32, group_channels: u32, eps: f32,
    parts_per_row: u32, part_cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;             // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;             // (C), optional
@group(0) @binding(4) var<storage, read> shift: array<f32>;         // (B,C), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;       // (B,C,S)
@group(0) @binding(6) var<storage, read_write> mean: array<f32>;    // (B,G)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;    // (B,G)
@group(0) @binding(8) var<storage, read_write> parts: array<f32>;   // (R,P,2)

override HAS_W: bool;
override HAS_B: bool;
override HAS_SHIFT: bool;
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;
override WG: u32;

// @import lib/grid
// @import lib/activation
// @import lib/workgroup_reduce

// Elements of part p; the last one is shorter. P·part_cols < N + part_cols, so no part is empty.
fn part_len(p: u32) -> u32 {
    return min(params.part_cols, params.cols - p * params.part_cols);
}

// Element i of a row as the norm sees it.
fn seen(row: u32, i: u32) -> f32 {
    var v = x[row * params.cols + i];
    if (HAS_SHIFT) { v += shift[row * params.group_channels + i / params.space]; }
    return v;
}

@compute @workgroup_size(WG)
fn group_norm_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    let p = part % params.parts_per_row;
    let row = part / params.parts_per_row;
    let base = p * params.part_cols;
    let n = part_len(p);

    var sum = 0.0;
    for (var i = lane; i < n; i += WG) { sum += seen(row, base + i); }
    let m = workgroup_sum(sum, lane) / f32(n);
    var squares = 0.0;
    for (var i = lane; i < n; i += WG) {
        let d = seen(row, base + i) - m;
        squares += d * d;
    }
    let m2 = workgroup_sum(squares, lane);
    if (lane == 0u) {
        parts[2u * part] = m;
        parts[2u * part + 1u] = m2;
    }
}

@compute @workgroup_size(WG)
fn group_norm_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_group(group, groups);
    if (part >= params.rows * params.parts_per_row) { return; }   // uniform, as part is
    let row = part / params.parts_per_row;
    let p = part % params.parts_per_row;

    var n_q = 0.0;
    var mean_q = 0.0;
    var m2_q = 0.0;
    if (lane < params.parts_per_row) {
        let q = 2u * (row * params.parts_per_row + lane);
        n_q = f32(part_len(lane));
        mean_q = parts[q];
        m2_q = parts[q + 1u];
    }
    let m = workgroup_sum(n_q * mean_q, lane) / f32(params.cols);
    let d_q = mean_q - m;
    let r = 1.0 / sqrt(workgroup_sum(m2_q + n_q * d_q * d_q, lane) / f32(params.cols) + params.eps);

    let base = row * params.cols;
    let first = row % params.groups * params.group_channels;
    let end = p * params.part_cols + part_len(p);
    for (var i = p * params.part_cols + lane; i < end; i += WG) {
        let c = first + i / params.space;
        var v = (seen(row, i) - m) * r;
        if (HAS_W) { v *= w[c]; }
        if (HAS_B) { v += b[c]; }
        y[base + i] = activate(activate(v, ACTIVATION), ACTIVATION_OUT);
    }
    if (lane == 0u && p == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

// group_norm_direct — group_norm without barriers, for CPU adapters: one lane per channel of a sample.
//
//   step 1   parts[p] = ( mean of channel p, Σ_s (x[p,s] − mean of channel p)² )
//   step 2   mean[r] = mean over the row's channels of mean_p
//            rstd[r] = 1 / √( Σ_p (M2_p + S · (mean_p − mean[r])²) / N + eps ), then y as in group_norm.wgsl
//
// Paper     Chan, Golub, LeVeque 1979, Updating formulae and a pairwise algorithm, eq. 1.5 for equal parts
// Shapes    as group_norm.wgsl; parts (B·C,2)
// Grid      B·C invocations in both steps; step 2 merges the channels of its row in every lane
// Numerics  two passes within a channel; the merge adds squares of differences only
// Cost      reads 3·B·C·S + 2·C, writes B·C·S floats, and 4·B·C·C/G floats of scratch from the cache

struct Params { rows: u32, cols: u32, space: u32, groups: u32, group_channels: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;             // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;             // (C), optional
@group(0) @binding(4) var<storage, read> shift: array<f32>;         // (B,C), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;       // (B,C,S)
@group(0) @binding(6) var<storage, read_write> mean: array<f32>;    // (B,G)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;    // (B,G)
@group(0) @binding(8) var<storage, read_write> parts: array<f32>;   // (B·C,2)

override HAS_W: bool;
override HAS_B: bool;
override HAS_SHIFT: bool;
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;

const WG = 8u;

// @import lib/grid
// @import lib/activation

// What the norm sees added to a plane.
fn shift_of(plane: u32) -> f32 {
    if (HAS_SHIFT) { return shift[plane]; }
    return 0.0;
}

@compute @workgroup_size(WG)
fn group_norm_direct_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = flat_group(group, groups) * WG + lane;
    if (plane >= params.rows * params.group_channels) { return; }
    let base = plane * params.space;
    let more = shift_of(plane);
    var sum = 0.0;
    for (var i = 0u; i < params.space; i++) { sum += x[base + i] + more; }
    let m = sum / f32(params.space);
    var squares = 0.0;
    for (var i = 0u; i < params.space; i++) {
        let d = x[base + i] + more - m;
        squares += d * d;
    }
    parts[2u * plane] = m;
    parts[2u * plane + 1u] = squares;
}

@compute @workgroup_size(WG)
fn group_norm_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = flat_group(group, groups) * WG + lane;
    if (plane >= params.rows * params.group_channels) { return; }
    let row = plane / params.group_channels;
    let channel = plane % params.group_channels;
    let first = row * params.group_channels;

    var sum = 0.0;
    for (var k = 0u; k < params.group_channels; k++) { sum += parts[2u * (first + k)]; }
    let m = sum / f32(params.group_channels);
    var squares = 0.0;
    for (var k = 0u; k < params.group_channels; k++) {
        let d = parts[2u * (first + k)] - m;
        squares += parts[2u * (first + k) + 1u] + f32(params.space) * d * d;
    }
    let r = 1.0 / sqrt(squares / f32(params.cols) + params.eps);

    let c = row % params.groups * params.group_channels + channel;
    var scale = 1.0;
    var shift = 0.0;
    if (HAS_W) { scale = w[c]; }
    if (HAS_B) { shift = b[c]; }
    let base = plane * params.space;
    let more = shift_of(plane);
    for (var i = 0u; i < params.space; i++) {
        let v = (x[base + i] + more - m) * r * scale + shift;
        y[base + i] = activate(activate(v, ACTIVATION), ACTIVATION_OUT);
    }
    if (channel == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

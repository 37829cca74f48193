// group_norm_subgroup — group_norm and instance_norm for planes of a multiple of 4, whose groups the lanes of a workgroup
// hold in registers: x is read once, and each of the two sums is one subgroup operation and one barrier.
//
//   as group_norm.wgsl, with S4 = S/4
//
// Shapes    x (B,C,S4)  w (C)  b (C)  shift (B,C)  →  y (B,C,S4) of vec4  mean (B,G)  rstd (B,G);  rows R = B·G of
//           C/G·S4 vectors, up to 8·WG
// Grid      one workgroup per row; a lane holds HELD vectors, WG apart
// Numerics  as group_norm.wgsl; four sums a lane, the subgroup's own order, then the subgroups in order
// Cost      reads B·C·S + 2·C, writes B·C·S + 2·R floats; ~8·B·C·S flops; 512 bytes of workgroup memory
// Tried     group_norm/f32/1x128x32x32/ddpm on llvmpipe, 2026-11-25: 1.6 ms, plain 3.4, direct 0.9, so CPUs keep direct.
//           Not measured on a GPU: a third of the reads of group_norm, four at a time, and 2 barriers in place of 16 to 20

struct Params { rows: u32, cols: u32, space: u32, groups: u32, group_channels: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (B,C,S4)
@group(0) @binding(2) var<storage, read> w: array<f32>;               // (C), optional
@group(0) @binding(3) var<storage, read> b: array<f32>;               // (C), optional
@group(0) @binding(4) var<storage, read> shift: array<f32>;           // (B,C), optional
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;   // (B,C,S4)
@group(0) @binding(6) var<storage, read_write> mean: array<f32>;      // (B,G)
@group(0) @binding(7) var<storage, read_write> rstd: array<f32>;      // (B,G)

override HAS_W: bool;
override HAS_B: bool;
override HAS_SHIFT: bool;
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;
override WG: u32;
override HELD: u32;   // vectors of a lane, at most 8

// @import lib/grid
// @import lib/activation
// @import lib/subgroup_reduce

// A normalised vector of channel c, scaled and shifted.
fn affine(v: vec4<f32>, c: u32) -> vec4<f32> {
    var t = v;
    if (HAS_W) { t *= w[c]; }
    if (HAS_B) { t += b[c]; }
    return t;
}

fn activated(v: f32) -> f32 {
    return activate(activate(v, ACTIVATION), ACTIVATION_OUT);
}

@compute @workgroup_size(WG)
fn group_norm_subgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) of_subgroup: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let s = Subgroup(subgroup, subgroups, of_subgroup);
    let n = params.cols / 4u;
    let base = row * n;
    let plane = params.space / 4u;

    var held: array<vec4<f32>, 8>;
    var sum = vec4<f32>();
    // @unroll
    for (var i = 0u; i < 8u; i++) {
        if (i < HELD) {
            let c = lane + i * WG;
            held[i] = select(vec4<f32>(), x[base + min(c, n - 1u)], c < n);
            if (HAS_SHIFT && c < n) { held[i] += shift[row * params.group_channels + c / plane]; }
            sum += held[i];
        }
    }
    let m = workgroup_sum(sum, 0u, s) / f32(params.cols);

    var squares = vec4<f32>();
    // @unroll
    for (var i = 0u; i < 8u; i++) {
        if (i < HELD && lane + i * WG < n) {
            let d = held[i] - m;
            squares += d * d;
        }
    }
    let r = 1.0 / sqrt(workgroup_sum(squares, 1u, s) / f32(params.cols) + params.eps);

    let first = row % params.groups * params.group_channels;
    if (ACTIVATION == 0u && ACTIVATION_OUT == 0u) {
        // @unroll
        for (var i = 0u; i < 8u; i++) {
            let c = lane + i * WG;
            if (i < HELD && c < n) { y[base + c] = affine((held[i] - m) * r, first + c / plane); }
        }
    } else {
        var values = held;   // indexed by a loop, so that 32 copies of the activations need no compiling
        for (var i = 0u; i < HELD && lane + i * WG < n; i++) {
            let c = lane + i * WG;
            let v = affine((values[i] - m) * r, first + c / plane);
            y[base + c] = vec4<f32>(activated(v.x), activated(v.y), activated(v.z), activated(v.w));
        }
    }
    if (lane == 0u) {
        mean[row] = m;
        rstd[row] = r;
    }
}

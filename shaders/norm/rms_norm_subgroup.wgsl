// rms_norm_subgroup — rms_norm for rows of a multiple of 4 that the lanes of a workgroup hold in registers: x is read
// once, and the sum is one subgroup operation and one barrier.
//
//   as rms_norm.wgsl, with C4 = C/4
//
// Shapes    x (R,C4)  w (C4)  →  y (R,C4) of vec4  rstd (R); C4 up to 8·WG
// Grid      one workgroup per row; a lane holds HELD vectors, WG apart
// Numerics  four sums a lane, the subgroup's own order, then the subgroups in order
// Cost      reads R·C + C, writes R·C + R floats; ~4·R·C flops; 512 bytes of workgroup memory
// Tried     rms_norm/f32/512x4096/llama on llvmpipe, 2026-11-25: 16.3 ms, vec4 15.4, direct 6.1, so CPUs keep direct.
//           Not measured on a GPU: half the reads of rms_norm_vec4, and 1 barrier in place of 8 to 10

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (R,C4)
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;         // (C4), optional
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;   // (R,C4)
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;      // (R)

override HAS_W: bool;
override WG: u32;
override HELD: u32;   // vectors of a lane, at most 8

// @import lib/grid
// @import lib/subgroup_reduce

@compute @workgroup_size(WG)
fn rms_norm_subgroup(
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

    var held: array<vec4<f32>, 8>;
    var squares = vec4<f32>();
    // @unroll
    for (var i = 0u; i < 8u; i++) {
        if (i < HELD) {
            let c = lane + i * WG;
            held[i] = select(vec4<f32>(), x[base + min(c, n - 1u)], c < n);
            squares += held[i] * held[i];
        }
    }
    let r = 1.0 / sqrt(workgroup_sum(squares, 0u, s) / f32(params.cols) + params.eps);

    // @unroll
    for (var i = 0u; i < 8u; i++) {
        let c = lane + i * WG;
        if (i < HELD && c < n) {
            var v = held[i] * r;
            if (HAS_W) { v *= w[c]; }
            y[base + c] = v;
        }
    }
    if (lane == 0u) { rstd[row] = r; }
}

// conv2d_winograd_tiled — conv2d of 3 × 3 windows at stride 1 for GPUs, by Winograd's transforms: 2.25 times fewer
// products, in tiles through workgroup memory.
//
//   U = G g Gᵀ   V = Bᵀ d B   M[e,o,t] = Σ_c U[e,o,c] · V[e,c,t]   acc = Aᵀ M A     16 products e, tiles t of 2 × 2
//   y = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Paper     Lavin, Gray 2015, arXiv:1509.09308, section 4.1, F(2×2, 3×3)
// Shapes    x (B,C,H,W)  w (O,C,3,3)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW); P tiles, rows padded to four
// Grid      image and last step: an invocation per channel × 4 tiles. Products: one workgroup per e, 64 channels × 64
//           tiles, 8 × 8 sums in registers a lane
// Numerics  as winograd.wgsl
// Cost      16·C·O·P products; writes and reads 16·(C + O)·P floats of scratch; 8.5 KiB of workgroup memory
// Chosen    by `handmill tune` alone: the error above has no proof within the bound of conv2d (docs/numerics.md)
// Tried     not measured on a GPU; on llvmpipe (row 1x128x32x32/128x3x3/ddpm) 20.6 ms, tiled 58.1

// @import lib/grid
// @import lib/conv
// @import lib/winograd

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C,3,3), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)
@group(0) @binding(6) var<storage, read_write> packed: array<vec4<f32>>;        // (16,C,⌈O/16⌉·4)
@group(0) @binding(7) var<storage, read_write> transformed: array<vec4<f32>>;   // (16,C,P/4)
@group(0) @binding(8) var<storage, read_write> products: array<vec4<f32>>;      // (16,O,P/4)

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts

var<workgroup> u_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), channels innermost
var<workgroup> v_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), tiles innermost

@compute @workgroup_size(WG)
fn conv2d_winograd_tiled_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_winograd_tiled_image(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    transform_image(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_winograd_tiled_products(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let wide = vectors();
    let tiles_o = (params.o + TILE - 1u) / TILE;
    let tiles_v = (4u * wide + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let e = g / tiles_o / tiles_v;
    if (e >= 16u) { return; }   // uniform: g is the workgroup's
    let channel0 = g % tiles_o * TILE;
    let vector0 = g / tiles_o % tiles_v * (TILE / 4u);

    // Vectors past the end repeat the last and are not written.
    let along = lane % BK;
    let across = lane / BK;
    let from_u = (e * params.c + across) * channel_vectors() + min(channel0 / 4u + along, channel_vectors() - 1u);
    let from_v = (e * params.c + across) * wide + min(vector0 + along, wide - 1u);
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;

    // Channels 4·lane_m + 0…3 and 32 more, tiles 4·lane_n + 0…3 and 32 more.
    var low: array<vec4<f32>, 8>;    // first four tiles
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < params.c + BK; k0 += BK) {
        // What the next round multiplies, 0 outside: its reads wait while this one is multiplied.
        var next_u: array<vec4<f32>, 4>;
        var next_v: array<vec4<f32>, 4>;
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            if (k0 + across + 4u * i < params.c) {
                next_u[i] = packed[from_u + (k0 + 4u * i) * channel_vectors()];
                next_v[i] = transformed[from_v + (k0 + 4u * i) * wide];
            }
        }
        for (var k = 0u; k < BK && k0 > 0u; k++) {
            let m0 = u_tile[k * ROW + lane_m];
            let m1 = u_tile[k * ROW + lane_m + 8u];
            let n0 = v_tile[k * ROW + lane_n];
            let n1 = v_tile[k * ROW + lane_n + 8u];
            // @unroll
            for (var r = 0u; r < 4u; r++) {
                low[r] += m0[r] * n0;
                high[r] += m0[r] * n1;
                low[r + 4u] += m1[r] * n0;
                high[r + 4u] += m1[r] * n1;
            }
        }
        workgroupBarrier();
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            u_tile[(across + 4u * i) * ROW + along] = next_u[i];
            v_tile[(across + 4u * i) * ROW + along] = next_v[i];
        }
        workgroupBarrier();
    }
    // @unroll
    for (var r = 0u; r < 8u; r++) {
        let o = channel0 + lane_m * 4u + r / 4u * 32u + r % 4u;
        let at = (e * params.o + o) * wide + vector0 + lane_n;
        if (o < params.o && vector0 + lane_n < wide) { products[at] = low[r]; }
        if (o < params.o && vector0 + lane_n + 8u < wide) { products[at + 8u] = high[r]; }
    }
}

@compute @workgroup_size(WG)
fn conv2d_winograd_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    transform_products(flat_group(group, groups) * WG + lane);
}

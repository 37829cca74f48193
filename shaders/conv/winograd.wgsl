// conv2d_winograd — conv2d of 3 × 3 windows at stride 1 for CPU adapters, by Winograd's transforms: 2.25 times fewer
// products. No workgroup memory, no barrier.
//
//   U = G g Gᵀ   V = Bᵀ d B   M[e,o,t] = Σ_c U[e,o,c] · V[e,c,t]   acc = Aᵀ M A     16 products e, tiles t of 2 × 2
//   y = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Paper     Lavin, Gray 2015, arXiv:1509.09308, section 4.1, F(2×2, 3×3)
// Shapes    x (B,C,H,W)  w (O,C,3,3)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW); P tiles, rows padded to four
// Grid      image and last step: an invocation per channel × 4 tiles. Products: a lane owns 16 channels × 4 tiles; a
//           workgroup one block of channels, so that U is read at addresses all lanes share
// Numerics  f32 sums in the order of c within each of 16 products, then 4 + 4 additions. A pixel outside the window of
//           an output enters none of its products, so that zeros of x stay zeros; but a pixel in it meets the sums of 3
//           and 9 weights, whose difference is its own: the error of a term is up to U·|d|·Σ|g| over the window's
//           weights, where the direct sum has U·|d·g|. Weights of like size, as trained ones are, cost a small factor
//           (all rows of conv2d pass under its bound); a window whose weights differ by orders of magnitude costs that
//           much where x is zero under the large ones. x is up to 4 times larger in V, and overflows that much earlier
// Cost      16·C·O·P products (2·B·O·OH·OW·C·9 flops done directly); writes and reads 16·(C + O)·P floats of scratch
// Chosen    by `handmill tune` alone: the error above has no proof within the bound of conv2d (docs/numerics.md)
// Tried     against vec4 and direct on llvmpipe, November 2026 (handmill bench, rows of conv2d/f32): 1x64x56x56/64x3x3
//           15.6 ms, vec4 21.0; 1x128x32x32/128x3x3/ddpm 12.1, vec4 24.8; 1x256x14x14/256x3x3 9.6, direct 26.0; with 16
//           channels (8x16x28x28/16x3x3) 2.66, vec4 2.59

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

const WG = 16u;

@compute @workgroup_size(WG)
fn conv2d_winograd_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_winograd_image(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    transform_image(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_winograd_products(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let vector_blocks = (vectors() + WG - 1u) / WG;
    let channel_blocks = channel_vectors() / 4u;
    let g = flat_group(group, groups);
    let vector = g % vector_blocks * WG + lane;
    let block = g / vector_blocks % channel_blocks;
    let e = g / vector_blocks / channel_blocks;
    if (e >= 16u || vector >= vectors()) { return; }
    var acc: array<vec4<f32>, 16>;
    var at_u = e * params.c * channel_vectors() + 4u * block;
    var at_v = e * params.c * vectors() + vector;
    for (var c = 0u; c < params.c; c++) {
        let p = transformed[at_v];
        // @unroll
        for (var m = 0u; m < 4u; m++) {
            let f = packed[at_u + m];
            acc[4u * m] += f.x * p; acc[4u * m + 1u] += f.y * p;
            acc[4u * m + 2u] += f.z * p; acc[4u * m + 3u] += f.w * p;
        }
        at_u += channel_vectors();
        at_v += vectors();
    }
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        let o = 16u * block + r;
        if (o < params.o) { products[(e * params.o + o) * vectors() + vector] = acc[r]; }
    }
}

@compute @workgroup_size(WG)
fn conv2d_winograd(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    transform_products(flat_group(group, groups) * WG + lane);
}

// conv2d_backward_data_direct — conv2d_backward_data for CPU adapters: no workgroup memory, no barrier, weights
// packed first.
//
//   d_x[b, g·C/G + c, r, q] = Σ_{u,v,o} d_y[b, o, (r + top − u·dilation)/stride, …] · w[o,c,u,v]
//
// Shapes    d_y (B,O,OH,OW)  w (O,C/G,KH,KW)  →  d_x (B,C,H,W)
// Grid      a lane owns 4·QUADS channels × 4 columns of d_x one stride apart, which see neighbours of d_y; a
//           workgroup one block of channels and one phase, so that its lanes share all weights and skip the same taps
// Numerics  f32 sums in the order u, v, o
// Cost      reads 1/(4·QUADS) float of d_y a product; 2·B·O·OH·OW·(C/G)·KH·KW flops
// Tried     reading d_y in vectors of four at stride 1, as conv2d_vec4 reads x: 4.8 and 6.0 GFLOP/s where this has 5.8
//           and 5.9 (rows 1x64x56x56/64x3x3 and 8x16x28x28/16x3x3 of benches/kernels.rs, llvmpipe, November 2026)

// @import lib/grid
// @import lib/conv_phases_direct

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (B,O,OH,OW)
@group(0) @binding(2) var<storage, read> w: array<u32>;           // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (B,C,H,W)
@group(0) @binding(4) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈C/G/4/QUADS⌉,KH,KW,O/G,QUADS)

fn source(i: u32) -> f32 {
    return d_y[i];
}

fn put(i: u32, channel: u32, v: f32) {
    d_x[i] = v;
}

@compute @workgroup_size(WG)
fn conv2d_backward_data_direct_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_backward_data_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    spread(flat_group(group, groups), lane);
}

// conv_transpose2d_direct — conv_transpose2d for CPU adapters: no workgroup memory, no barrier, weights packed first.
//
//   y[b,o,i,j] = b[o] + Σ_{u,v,c} x[b, g·C/G + c, (i + top − u·dilation)/stride, …] · w[g·C/G + c, o − g·O/G, u, v]
//
// Rows and columns of y whose remainders by the stride are the same are a phase: the same taps reach all of them, so
// that a phase is a small dense convolution, and no product is with a zero.
//
// Source    Dumoulin, Visin 2016, arXiv:1603.07285, ch. 4: the gradient of a convolution with the same weights
// Shapes    x (B,C,H,W)  w (C,O/G,KH,KW)  b (O)  →  y (B,O,OH,OW); in Params, x is o × oh × ow and y is c × h × w_in
// Grid      a lane owns 4·QUADS channels × 4 columns of y one stride apart, which see neighbours of x; a workgroup one
//           block of channels and one phase, so that its lanes share all weights and skip the same taps
// Numerics  f32 sums in the order u, v, c
// Cost      reads 1/(4·QUADS) float of x a product; 2·B·C·H·W·(O/G)·KH·KW flops
// Tried     on llvmpipe (row conv_transpose2d/f32/1x128x16x16/64x4x4/dcgan) 5.8 ms, plain 71.2, tiled 15.5

// @import lib/grid
// @import lib/conv_phases_direct

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;         // (C,O/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;         // (O), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;   // (B,O,OH,OW)
@group(0) @binding(5) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈O/G/4/QUADS⌉,KH,KW,C/G,QUADS)

override HAS_B: bool;

fn source(i: u32) -> f32 {
    return x[i];
}

fn put(i: u32, channel: u32, v: f32) {
    var bias = 0.0;
    if (HAS_B) { bias = b[channel]; }
    y[i] = v + bias;
}

@compute @workgroup_size(WG)
fn conv_transpose2d_direct_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv_transpose2d_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    spread(flat_group(group, groups), lane);
}

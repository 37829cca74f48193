// conv_transpose2d_tiled — conv_transpose2d for GPUs as an implicit matrix product: 64 channels × 64 pixels of one
// phase a workgroup, 8 × 8 sums in registers a lane.
//
//   y[o,p] = b[o] + Σ_k w[c(k), o, u(k), v(k)] · x[b(p), c(k), (r(p) + top − u(k)·dilation)/stride, …]
//
// Rows and columns of y whose remainders by the stride are the same are a phase: the same taps reach all of them, so
// that a phase is a small dense convolution, and no product is with a zero.
//
// Source    Chetlur et al. 2014, arXiv:1410.0759 (implicit matrix product); Dumoulin, Visin 2016, arXiv:1603.07285,
//           ch. 4: the gradient of a convolution with the same weights
// Shapes    x (B,C,H,W)  w (C,O/G,KH,KW)  b (O)  →  y (B,O,OH,OW); in Params, x is o × oh × ow and y is c × h × w_in
// Grid      one workgroup per group, phase, 64 channels × 64 pixels
// Numerics  f32 sums in the order of k
// Cost      reads 1/32 float a product; 2·B·C·H·W·(O/G)·KH·KW flops; 8.5 KiB of workgroup memory

// @import lib/grid
// @import lib/conv_phases_tiled

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;         // (C,O/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;         // (O), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;   // (B,O,OH,OW)

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
fn conv_transpose2d_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    spread(flat_group(group, groups), lane);
}

// conv2d_backward_data_tiled — conv2d_backward_data for GPUs as an implicit matrix product: 64 channels × 64 pixels of
// one phase a workgroup, 8 × 8 sums in registers a lane. Taps that do not reach the phase are no terms.
//
//   d_x[c,p] = Σ_k w[o(k), c, u(k), v(k)] · d_y[b(p), o(k), (r(p) + top − u(k)·dilation)/stride, …]
//   k        = (o·U + a)·V + b over the U·V taps that reach the phase: u = u₀ + a·step_h, v = v₀ + b·step_w
//
// Source    Chetlur et al. 2014, arXiv:1410.0759 (implicit matrix product); Dumoulin, Visin 2016, arXiv:1603.07285
// Shapes    d_y (B,O,OH,OW)  w (O,C/G,KH,KW)  →  d_x (B,C,H,W); p over the pixels of the phase of all images
// Grid      one workgroup per group, phase, 64 channels × 64 pixels
// Numerics  f32 sums in the order of k
// Cost      reads 1/32 float a product; 2·B·O·OH·OW·(C/G)·KH·KW flops; 8.5 KiB of workgroup memory

// @import lib/grid
// @import lib/conv_phases_tiled

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (B,O,OH,OW)
@group(0) @binding(2) var<storage, read> w: array<u32>;           // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (B,C,H,W)

fn source(i: u32) -> f32 {
    return d_y[i];
}

fn put(i: u32, channel: u32, v: f32) {
    d_x[i] = v;
}

@compute @workgroup_size(WG)
fn conv2d_backward_data_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    spread(flat_group(group, groups), lane);
}

// batch_norm — normalise every channel by given statistics (evaluation mode), then scale and shift.
//
//   y[b,c,s] = (x[b,c,s] − mean[c]) / √(variance[c] + eps) · w[c] + b[c]
//
// Paper     Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 2
// Shapes    x (B,C,S)  mean, variance, w, b (C)  →  y (B,C,S)
// Grid      one invocation per element
// Numerics  the difference comes first: x · scale + shift would cancel where |mean| is large
// Cost      reads B·C·S + 4·C, writes B·C·S floats; ~6·B·C·S flops

struct Params { n: u32, channels: u32, space: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (B,C,S)
@group(0) @binding(2) var<storage, read> mean: array<f32>;      // (C)
@group(0) @binding(3) var<storage, read> variance: array<f32>;  // (C)
@group(0) @binding(4) var<storage, read> w: array<f32>;         // (C), optional
@group(0) @binding(5) var<storage, read> b: array<f32>;         // (C), optional
@group(0) @binding(6) var<storage, read_write> y: array<f32>;   // (B,C,S)

override HAS_W: bool;
override HAS_B: bool;

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn batch_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = i / params.space % params.channels;
    var v = (x[i] - mean[c]) * (1.0 / sqrt(variance[c] + params.eps));
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[i] = v;
}

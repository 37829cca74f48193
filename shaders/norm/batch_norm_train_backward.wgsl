// batch_norm_train_backward — the gradient of batch_norm_train with respect to its input, from those of w and b.
//
//   x̂[b,c,s]   = (x[b,c,s] − mean[c]) · rstd[c]
//   d_x[b,c,s] = w[c] · rstd[c] · ( d_y[b,c,s] − 1/N · ( d_b[c] + x̂[b,c,s] · d_w[c] ) )       N = B·S
//
// Paper     Ioffe, Szegedy 2015, arXiv:1502.03167, section 3
// Shapes    x, d_y (B,C,S)  w, mean, rstd, d_w, d_b (C)  →  d_x (B,C,S)
// Grid      one invocation per element
// Numerics  the two sums, d_w and d_b, are made elsewhere
// Cost      reads 2·B·C·S + 5·B·C·S of the cache, writes B·C·S floats; ~9·B·C·S flops

struct Params { n: u32, channels: u32, space: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> d_y: array<f32>;          // (B,C,S)
@group(0) @binding(4) var<storage, read> mean: array<f32>;         // (C)
@group(0) @binding(5) var<storage, read> rstd: array<f32>;         // (C)
@group(0) @binding(6) var<storage, read> d_w: array<f32>;          // (C)
@group(0) @binding(7) var<storage, read> d_b: array<f32>;          // (C)
@group(0) @binding(8) var<storage, read_write> d_x: array<f32>;    // (B,C,S)

override HAS_W: bool;

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn batch_norm_train_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = i / params.space % params.channels;
    var scale = rstd[c];
    if (HAS_W) { scale *= w[c]; }
    let normal = (x[i] - mean[c]) * rstd[c];
    d_x[i] = scale * (d_y[i] - (d_b[c] + normal * d_w[c]) / f32(params.cols));
}

// batch_norm_vec4 — batch_norm for planes of a multiple of 4, four elements of one channel an invocation.
//
//   as batch_norm.wgsl, with S4 = S/4
//
// Shapes    x (B,C,S4) of vec4  mean, variance, w, b (C)  →  y (B,C,S4) of vec4
// Grid      one invocation per vec4
// Numerics  as batch_norm.wgsl
// Cost      reads B·C·S + B·C·S4, writes B·C·S floats; ~3·B·C·S flops

struct Params { n: u32, channels: u32, space: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // (B,C,S4)
@group(0) @binding(2) var<storage, read> mean: array<f32>;            // (C)
@group(0) @binding(3) var<storage, read> variance: array<f32>;        // (C)
@group(0) @binding(4) var<storage, read> w: array<f32>;               // (C), optional
@group(0) @binding(5) var<storage, read> b: array<f32>;               // (C), optional
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;   // (B,C,S4)

override HAS_W: bool;
override HAS_B: bool;

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn batch_norm_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n / 4u) { return; }
    let c = i / (params.space / 4u) % params.channels;
    var v = (x[i] - mean[c]) * (1.0 / sqrt(variance[c] + params.eps));
    if (HAS_W) { v *= w[c]; }
    if (HAS_B) { v += b[c]; }
    y[i] = v;
}

// group_norm_backward — the gradient of group_norm with respect to its input, from those of w and b by sample.
//
//   step 1   sums[r,0] = Σ_c w[c] · d_wb[b,c,0]      = Σ_i g[r,i] · x̂[r,i]         r the row of sample b and group c/K
//            sums[r,1] = Σ_c w[c] · d_wb[b,c,1]      = Σ_i g[r,i]
//   step 2   x̂[r,i]   = (x[r,i] − mean[r]) · rstd[r]              g[r,i] = d_y[r,i] · w[c]
//            d_x[r,i] = rstd[r] · ( g[r,i] − 1/N · ( sums[r,1] + x̂[r,i] · sums[r,0] ) )
//
// Paper     Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7, differentiated
// Shapes    x, d_y (B,C,S)  w (C)  mean, rstd (B,G)  d_wb (B,C,2)  →  d_x (B,C,S);  rows R = B·G of N = K·S elements,
//           K = C/G; sums (R,2)
// Grid      one invocation per row in step 1, per element in step 2
// Numerics  f32 sums in the order of the channels
// Cost      reads 2·B·C·S + 6·B·C·S of the cache, writes B·C·S floats; ~9·B·C·S flops

struct Params { n: u32, rows: u32, cols: u32, space: u32, channels: u32, groups: u32, group_channels: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,S)
@group(0) @binding(2) var<storage, read> w: array<f32>;            // (C), optional
@group(0) @binding(3) var<storage, read> d_y: array<f32>;          // (B,C,S)
@group(0) @binding(4) var<storage, read> mean: array<f32>;         // (B,G)
@group(0) @binding(5) var<storage, read> rstd: array<f32>;         // (B,G)
@group(0) @binding(6) var<storage, read> d_wb: array<f32>;         // (B,C,2)
@group(0) @binding(7) var<storage, read_write> d_x: array<f32>;    // (B,C,S)
@group(0) @binding(8) var<storage, read_write> sums: array<f32>;   // (R,2)

override HAS_W: bool;

const WG = 64u;

// @import lib/grid

fn weight(c: u32) -> f32 {
    if (HAS_W) { return w[c]; }
    return 1.0;
}

@compute @workgroup_size(WG)
fn group_norm_backward_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * WG + lane;
    if (row >= params.rows) { return; }
    let c = row % params.groups * params.group_channels;
    let plane = row * params.group_channels;
    var dot = 0.0;
    var sum = 0.0;
    for (var k = 0u; k < params.group_channels; k++) {
        dot += weight(c + k) * d_wb[2u * (plane + k)];
        sum += weight(c + k) * d_wb[2u * (plane + k) + 1u];
    }
    sums[2u * row] = dot;
    sums[2u * row + 1u] = sum;
}

@compute @workgroup_size(WG)
fn group_norm_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / params.space;
    let row = plane / params.group_channels;
    let r = rstd[row];
    let normal = (x[i] - mean[row]) * r;
    let g = d_y[i] * weight(plane % params.channels);
    d_x[i] = r * (g - (sums[2u * row + 1u] + normal * sums[2u * row]) / f32(params.cols));
}

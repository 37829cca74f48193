// group_norm_backward_w — the gradients of group_norm with respect to its weight and bias, sample by sample; their
// sums over the samples are the gradients. With a group a channel, those of batch_norm and instance_norm.
//
//   d_wb[b,c,0] = Σ_s d_y[b,c,s] · (x[b,c,s] − mean[b,g]) · rstd[b,g]       g the group of channel c
//   d_wb[b,c,1] = Σ_s d_y[b,c,s]
//
// Paper     Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7, differentiated
// Shapes    x, d_y (B,C,S)  mean, rstd (B,G) any strides  →  d_wb (B,C,2)
// Grid      one workgroup per channel of a sample; lanes stride over S. Direct: one lane per channel of a sample, no
//           barrier (for CPU adapters, and few positions)
// Numerics  f32 sums, order fixed by WG
// Cost      reads 2·B·C·S + 2·B·C, writes 2·B·C floats; ~5·B·C·S flops

struct Params {
    planes: u32, channels: u32, space: u32, group_channels: u32,
    mean_b: u32, mean_g: u32, mean_offset: u32, rstd_b: u32, rstd_g: u32, rstd_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (B,C,S)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;           // (B,C,S)
@group(0) @binding(3) var<storage, read> mean: array<f32>;          // (B,G) any strides
@group(0) @binding(4) var<storage, read> rstd: array<f32>;          // (B,G) any strides
@group(0) @binding(5) var<storage, read_write> d_wb: array<f32>;    // (B,C,2)

override WG: u32;

// @import lib/grid
// @import lib/workgroup_reduce

fn mean_of(plane: u32) -> f32 {
    let g = plane % params.channels / params.group_channels;
    return mean[params.mean_offset + plane / params.channels * params.mean_b + g * params.mean_g];
}

fn rstd_of(plane: u32) -> f32 {
    let g = plane % params.channels / params.group_channels;
    return rstd[params.rstd_offset + plane / params.channels * params.rstd_b + g * params.rstd_g];
}

@compute @workgroup_size(WG)
fn group_norm_backward_w(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = flat_group(group, groups);
    if (plane >= params.planes) { return; }   // uniform: plane is the same in the whole workgroup
    let base = plane * params.space;
    let m = mean_of(plane);
    let r = rstd_of(plane);
    var own_w = 0.0;
    var own_b = 0.0;
    for (var i = base + lane; i < base + params.space; i += WG) {
        own_w += d_y[i] * ((x[i] - m) * r);
        own_b += d_y[i];
    }
    let w_sum = workgroup_sum(own_w, lane);
    let b_sum = workgroup_sum(own_b, lane);
    if (lane == 0u) {
        d_wb[2u * plane] = w_sum;
        d_wb[2u * plane + 1u] = b_sum;
    }
}

const DIRECT_WG = 8u;

@compute @workgroup_size(DIRECT_WG)
fn group_norm_backward_w_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = flat_group(group, groups) * DIRECT_WG + lane;
    if (plane >= params.planes) { return; }
    let base = plane * params.space;
    let m = mean_of(plane);
    let r = rstd_of(plane);
    var w_sum = 0.0;
    var b_sum = 0.0;
    for (var i = base; i < base + params.space; i++) {
        w_sum += d_y[i] * ((x[i] - m) * r);
        b_sum += d_y[i];
    }
    d_wb[2u * plane] = w_sum;
    d_wb[2u * plane + 1u] = b_sum;
}

// fill, iota — tensors from nothing.
//
//   fill   y[i] = value
//   iota   y[i] = start + i·step
//
// Shapes    → fill: any shape; iota: (n)
// Grid      one invocation per element
// Numerics  integers exact; f32 rounds the product, then the sum (or both at once)
// Cost      writes n words

// @import lib/grid

struct Params { n: u32, start: u32, step: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;   // (n)

override IS_FLOAT: bool;

const WG = 256u;

@compute @workgroup_size(WG)
fn fill(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i < params.n) { y[i] = params.start; }
}

@compute @workgroup_size(WG)
fn iota(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    if (IS_FLOAT) {
        y[i] = bitcast<u32>(bitcast<f32>(params.start) + f32(i) * bitcast<f32>(params.step));
    } else {
        y[i] = params.start + i * params.step;
    }
}

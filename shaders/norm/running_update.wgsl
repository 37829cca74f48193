// running_update — move a running average towards a new value, in place.
//
//   running[i] ← keep · running[i] + gain · batch[i]       keep = 1 − momentum, gain = momentum · scale
//
// Paper     Ioffe, Szegedy 2015, arXiv:1502.03167, section 3.1; `scale` is N / (N − 1) for a variance over N elements
// Shapes    running, batch of n elements
// Grid      one invocation per element
// Numerics  keep and gain are rounded once, on the host
// Cost      reads 2·n, writes n floats; 3·n flops

struct Params { n: u32, keep: f32, gain: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> running: array<f32>;   // (n)
@group(0) @binding(2) var<storage, read> batch: array<f32>;           // (n)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn running_update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    running[i] = params.keep * running[i] + params.gain * batch[i];
}

// accumulate — add to a state, or begin it anew.
//
//   state[i] ← keep · state[i] + x[i]          x[i] alone if keep = 0, whatever the state was
//
// Sums gradients over micro-batches, and hands the last hidden state of a recurrent network to the next step.
//
// Shapes    state (N)  x (N)  keep (1)  →  state (N)
// Grid      one invocation per element
// Numerics  one product and one sum in f32
// Cost      reads 2·N, writes N floats

// @import lib/grid

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;   // (N)
@group(0) @binding(2) var<storage, read> x: array<f32>;             // (N)
@group(0) @binding(3) var<storage, read> keep: array<f32>;          // (1)

const WG = 64u;

@compute @workgroup_size(WG)
fn accumulate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    var v = x[i];
    if (keep[0] != 0.0) { v += keep[0] * state[i]; }
    state[i] = v;
}

// one_hot — rows that are 1 at an id and 0 elsewhere.
//
//   y[n, c] = 1 if ids[n] = c else 0
//
// Shapes    ids (N)  →  y (N, classes)
// Grid      one invocation per element of y
// Numerics  exact; ids outside 0..classes give zeros
// Cost      reads N, writes N·classes

// @import lib/grid

struct Params { n: u32, classes: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<i32>;       // (N)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (N, classes)

const WG = 64u;

@compute @workgroup_size(WG)
fn one_hot(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    y[i] = select(0.0, 1.0, ids[i / params.classes] == i32(i % params.classes));
}

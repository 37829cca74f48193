// straight_through — the values of q, with the gradient that x would have in their place.
//
//   y[i] = q[i]          d_x[i] = d_y[i]
//
// Paper     Bengio, Léonard, Courville 2013, arXiv:1308.3432, section 3.1
// Shapes    x (N), not read  q (N)  →  y (N)
// Grid      one invocation per element
// Numerics  bits are moved, never interpreted
// Cost      reads N, writes N words

// @import lib/grid

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<u32>;         // (N)
@group(0) @binding(2) var<storage, read_write> y: array<u32>;   // (N)

const WG = 64u;

@compute @workgroup_size(WG)
fn straight_through(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    y[i] = q[i];
}

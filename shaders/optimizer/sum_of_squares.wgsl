// sum_of_squares — partial sums of squares of a flat arena: the first half of a norm.
//
//   parts[p] = Σ_i x[i]²          over the elements i of slice p, 16,384 of them
//
// Shapes    x (N), N a multiple of 64  →  parts (P), P = ⌈N / 16,384⌉
// Grid      one workgroup per slice, whose lanes stride over it
// Numerics  f32 sums in an order that the shape fixes; the sum must stay below f32::MAX
// Cost      reads N, writes P floats; 2·N flops

// @import lib/grid
// @import lib/workgroup_reduce

struct Params { quads: u32, parts: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // (N/4)
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;   // (P)

const WG = 64u;
const SLICE = 4096u;   // vectors of four

@compute @workgroup_size(WG)
fn sum_of_squares(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = flat_group(group, groups);
    if (p >= params.parts) { return; }   // uniform: p is the same in the whole workgroup
    let end = min((p + 1u) * SLICE, params.quads);
    var squares = vec4(0.0);
    for (var i = p * SLICE + lane; i < end; i += WG) { squares += x[i] * x[i]; }
    let sum = workgroup_sum((squares.x + squares.y) + (squares.z + squares.w), lane);
    if (lane == 0u) { parts[p] = sum; }
}

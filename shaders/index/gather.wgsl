// gather — elements at given places along one axis.
//
//   y[…, i, …] = x[…, index[…, i, …], …]
//
// Shapes    x any strides  index (…) any strides, not larger than x off the axis  →  y dense, of index's shape
// Grid      one invocation per element
// Numerics  bits are moved, never interpreted; ids are clamped to the axis
// Cost      reads 2n, writes n words

// @import lib/grid
// @import lib/strided

// x0 … x7 are x's strides, 0 along the axis, which has `size` elements `stride` apart.
struct Params {
    n: u32, size: u32, stride: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    index0: u32, index1: u32, index2: u32, index3: u32, index4: u32, index5: u32, index6: u32, index7: u32,
    index_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;         // any strides
@group(0) @binding(2) var<storage, read> index: array<i32>;     // any strides
@group(0) @binding(3) var<storage, read_write> y: array<u32>;   // (n)

const WG = 64u;

@compute @workgroup_size(WG)
fn gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let c = coordinates(i);
    let id = index[params.index_offset + c.c0 * params.index0 + c.c1 * params.index1 + c.c2 * params.index2
        + c.c3 * params.index3 + c.c4 * params.index4 + c.c5 * params.index5 + c.c6 * params.index6
        + c.c7 * params.index7];
    let place = min(u32(max(id, 0)), params.size - 1u);
    y[i] = x[params.x_offset + place * params.stride + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2
        + c.c3 * params.x3 + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7];
}

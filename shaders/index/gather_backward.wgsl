// gather_backward — add elements up at the places they were taken from, along one axis.
//
//   d_x[…, i, …] = Σ_{j: index[…, j, …] = i} d_y[…, j, …],  added in the order of j
//
// Shapes    d_y (…) any strides  index (…) any strides, of the same shape  →  d_x dense, of that shape off the axis
// Grid      one invocation per element of d_x; it looks at every index of its line
// Numerics  f32 sums in the order of j; ids are clamped to the axis, as gather does
// Cost      reads m ids for each element of d_x, and d_y once; fine while m, the ids of a line, are few

// @import lib/grid
// @import lib/strided

// d0 … d7 and index0 … index7 are strides, 0 along the axis, which has `size` elements of d_x `inner` apart, and
// `taken` gradients and ids, d_stride and index_stride apart.
struct Params {
    n: u32, size: u32, inner: u32, taken: u32, d_stride: u32, index_stride: u32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, d_offset: u32,
    index0: u32, index1: u32, index2: u32, index3: u32, index4: u32, index5: u32, index6: u32, index7: u32,
    index_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;           // any strides
@group(0) @binding(2) var<storage, read> index: array<i32>;         // any strides
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;     // (n)

const WG = 64u;

@compute @workgroup_size(WG)
fn gather_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let place = i / params.inner % params.size;
    let c = coordinates(i);
    var at = params.index_offset + c.c0 * params.index0 + c.c1 * params.index1 + c.c2 * params.index2
        + c.c3 * params.index3 + c.c4 * params.index4 + c.c5 * params.index5 + c.c6 * params.index6
        + c.c7 * params.index7;
    var from_d = params.d_offset + c.c0 * params.d0 + c.c1 * params.d1 + c.c2 * params.d2 + c.c3 * params.d3
        + c.c4 * params.d4 + c.c5 * params.d5 + c.c6 * params.d6 + c.c7 * params.d7;
    var sum = 0.0;
    for (var j = 0u; j < params.taken; j++) {
        if (min(u32(max(index[at], 0)), params.size - 1u) == place) { sum += d_y[from_d]; }
        at += params.index_stride;
        from_d += params.d_stride;
    }
    d_x[i] = sum;
}

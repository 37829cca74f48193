// copy — write a strided view densely, in row-major order, rows of the last axis padded to a pitch.
//
//   y[r·pitch + c] = x[offset + Σ_k c_k(r·inner + c) · stride_k]   for c < inner, else 0
//
// Shapes    x any strides, up to 8 axes, f32, i32 or u32  →  y dense, of the view's shape
// Grid      one invocation per element
// Numerics  bits are moved, never interpreted
// Cost      reads n, writes n words

// @import lib/grid
// @import lib/strided

struct Params {
    n: u32, inner: u32, pitch: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;         // any strides
@group(0) @binding(2) var<storage, read_write> y: array<u32>;   // (n), n = rows · pitch

const WG = 64u;

@compute @workgroup_size(WG)
fn copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let column = i % params.pitch;
    if (column >= params.inner) {
        y[i] = 0u;
        return;
    }
    let c = coordinates(i / params.pitch * params.inner + column);
    y[i] = x[params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7];
}

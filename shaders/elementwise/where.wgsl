// where — choose between two tensors by a mask. (`where` is reserved in WGSL, hence `where_op`.)
//
//   y[i] = a[i] if mask[i] ≠ 0, else b[i]
//
// Shapes    mask (i32), a, b any strides, already broadcast to one shape; a, b f32, i32 or u32  →  y dense
// Grid      one invocation per element
// Numerics  bits are moved, never interpreted
// Cost      reads up to 3·n, writes n words

// @import lib/grid
// @import lib/strided

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, a_offset: u32,
    b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, b_offset: u32,
    mask0: u32, mask1: u32, mask2: u32, mask3: u32, mask4: u32, mask5: u32, mask6: u32, mask7: u32,
    mask_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<i32>;      // any strides
@group(0) @binding(2) var<storage, read> a: array<u32>;         // any strides
@group(0) @binding(3) var<storage, read> b: array<u32>;         // any strides
@group(0) @binding(4) var<storage, read_write> y: array<u32>;   // (n)

override DENSE: bool;   // all three lie row-major from their offsets

const WG = 256u;

@compute @workgroup_size(WG)
fn where_op(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    if (DENSE) {
        y[i] = select(b[params.b_offset + i], a[params.a_offset + i], mask[params.mask_offset + i] != 0);
        return;
    }
    let c = coordinates(i);
    let at_mask = params.mask_offset + c.c0 * params.mask0 + c.c1 * params.mask1 + c.c2 * params.mask2 + c.c3 * params.mask3
        + c.c4 * params.mask4 + c.c5 * params.mask5 + c.c6 * params.mask6 + c.c7 * params.mask7;
    let at_a = params.a_offset + c.c0 * params.a0 + c.c1 * params.a1 + c.c2 * params.a2 + c.c3 * params.a3
        + c.c4 * params.a4 + c.c5 * params.a5 + c.c6 * params.a6 + c.c7 * params.a7;
    let at_b = params.b_offset + c.c0 * params.b0 + c.c1 * params.b1 + c.c2 * params.b2 + c.c3 * params.b3
        + c.c4 * params.b4 + c.c5 * params.b5 + c.c6 * params.b6 + c.c7 * params.b7;
    y[i] = select(b[at_b], a[at_a], mask[at_mask] != 0);
}

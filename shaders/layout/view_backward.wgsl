// view_backward — the gradient of a view: what arrives at each element that the view shows, zero elsewhere.
//
//   d_x[i] = base[i] + d_y[c]   if i = first + Σ_k c_k · to_k for a place c of the view, else base[i]
//
// Shapes    d_y any strides, of the view's shape  base (N), optional  →  d_x (N)
// Grid      one invocation per element of d_x
// Numerics  one f32 addition where there is a base
// Cost      reads d_y and 2·N at most, writes N words
//
// Axes come sorted by their stride in x, so that dividing by one after the other finds c.

// @import lib/grid

struct Params {
    n: u32, first: u32, d_offset: u32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    to0: u32, to1: u32, to2: u32, to3: u32, to4: u32, to5: u32, to6: u32, to7: u32,
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // any strides
@group(0) @binding(2) var<storage, read> base: array<f32>;        // (N), optional
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (N)

override HAS_BASE: bool;
override RANK: u32;   // axes of more than one element, the last ones

const WG = 64u;

// What is left of i, the place in d_y so far, and whether the view shows it.
struct Place { rest: u32, at: u32, inside: bool }

fn along(p: Place, size: u32, to: u32, d: u32) -> Place {
    let c = p.rest / to;
    return Place(p.rest - c * to, p.at + c * d, p.inside && c < size);
}

@compute @workgroup_size(WG)
fn view_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    var p = Place(i - min(i, params.first), params.d_offset, i >= params.first);
    if (RANK > 7u) { p = along(p, params.n0, params.to0, params.d0); }
    if (RANK > 6u) { p = along(p, params.n1, params.to1, params.d1); }
    if (RANK > 5u) { p = along(p, params.n2, params.to2, params.d2); }
    if (RANK > 4u) { p = along(p, params.n3, params.to3, params.d3); }
    if (RANK > 3u) { p = along(p, params.n4, params.to4, params.d4); }
    if (RANK > 2u) { p = along(p, params.n5, params.to5, params.d5); }
    if (RANK > 1u) { p = along(p, params.n6, params.to6, params.d6); }
    p = along(p, params.n7, params.to7, params.d7);
    var v = 0.0;
    if (HAS_BASE) { v = base[i]; }
    if (p.inside && p.rest == 0u) { v += d_y[p.at]; }
    d_x[i] = v;
}

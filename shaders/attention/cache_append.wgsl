// cache_append — write new rows into a cache, in place.
//
//   cache[b, h, position + t, d] = x[b, h, t, d]
//
// Shapes    cache (B,KH,MAX,D), a state  x (B,KH,T,D) any strides  position (1) or (B)
// Grid      one invocation per element of x
// Numerics  bits are moved, never interpreted; where position + T exceeds MAX, or position is negative, a
//           batch row is left as it was
// Cost      reads and writes n words

// @import lib/grid

struct Params {
    n: u32, heads: u32, rows: u32, max: u32, dims: u32, position_b: u32,
    x_b: u32, x_h: u32, x_t: u32, x_d: u32, x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;   // (B,KH,MAX,D)
@group(0) @binding(2) var<storage, read> x: array<u32>;             // (B,KH,T,D) any strides
@group(0) @binding(3) var<storage, read> position: array<i32>;      // (1) or (B)

const WG = 64u;

@compute @workgroup_size(WG)
fn cache_append(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let d = i % params.dims;
    let t = i / params.dims % params.rows;
    let head = i / params.dims / params.rows;
    let b = head / params.heads;
    let h = head % params.heads;
    let p = position[b * params.position_b];
    if (p >= 0 && u32(max(p, 0)) <= params.max - params.rows) {   // T ≤ MAX: the shape rule
        let source = params.x_offset + b * params.x_b + h * params.x_h + t * params.x_t + d * params.x_d;
        cache[(head * params.max + u32(p) + t) * params.dims + d] = x[source];
    }
}

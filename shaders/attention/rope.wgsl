// rope — rotary position embedding: turn pairs of dims by angles that grow with the position.
//
//   y[i]        = x[i] · cos[p,i] − x[i + half] · sin[p,i]
//   y[i + half] = x[i + half] · cos[p,i] + x[i] · sin[p,i]      0 ≤ i < half; dims from 2·half on are copied
//
// Interleaved pairs are (2i, 2i + 1) instead; the inverse turns by −sin. Position p is t, position[0] + t, or given
// for each token.
//
// Paper     Su et al. 2021, arXiv:2104.09864, eq. 34
// Shapes    x (B,H,T,D) any strides  cos, sin (MAX,half)  position (1), (T) or (B,T)  →  y (B,H,T,D)
// Grid      one invocation per element of y
// Numerics  tables are made in f64; positions are clamped to 0..MAX
// Cost      reads 2·n and the tables, writes n; 3·n flops

// @import lib/grid

// Token t of batch b has position[b·position_b + t·position_t] + t·step.
struct Params {
    n: u32, heads: u32, rows: u32, dims: u32, half: u32, max: u32, position_b: u32, position_t: u32, step: u32,
    x_b: u32, x_h: u32, x_t: u32, x_d: u32, x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,H,T,D) any strides
@group(0) @binding(2) var<storage, read> cos_table: array<f32>;  // (MAX,half)
@group(0) @binding(3) var<storage, read> sin_table: array<f32>;  // (MAX,half)
@group(0) @binding(4) var<storage, read> position: array<i32>;   // (1), (T) or (B,T), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,H,T,D)

override HAS_POSITION: bool;
override INTERLEAVED: bool;
override INVERSE: bool;

const WG = 64u;

@compute @workgroup_size(WG)
fn rope(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let e = flat_group(group, groups) * WG + lane;
    if (e >= params.n) { return; }
    let d = e % params.dims;
    let t = e / params.dims % params.rows;
    let h = e / params.dims / params.rows % params.heads;
    let b = e / params.dims / params.rows / params.heads;
    let base = params.x_offset + b * params.x_b + h * params.x_h + t * params.x_t;
    let here = x[base + d * params.x_d];
    if (d >= 2u * params.half) {
        y[e] = here;
        return;
    }
    var p = i32(t * params.step);
    if (HAS_POSITION) { p += position[b * params.position_b + t * params.position_t]; }
    let place = min(u32(max(p, 0)), params.max - 1u) * params.half;

    var i = d / 2u;
    var second = (d & 1u) == 1u;
    var other = d ^ 1u;
    if (!INTERLEAVED) {
        second = d >= params.half;
        if (second) { other = d - params.half; } else { other = d + params.half; }
        i = min(d, other);
    }
    let there = x[base + other * params.x_d] * sin_table[place + i];
    y[e] = here * cos_table[place + i] + select(-there, there, second != INVERSE);
}

// lstm_cell_backward — gradients of a step of a long short-term memory, from the gates it saved.
//
//   t = tanh(c_next)      d = d_c_next + d_h·o·(1 − t²)
//   d_a = d_u = [d·g·i·(1 − i)   d·c·f·(1 − f)   d·i·(1 − g²)   d_h·t·o·(1 − o)]      d_c = d·f
//
// Paper     Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000
// Shapes    gates (B,4·H)  c, c_next, d_h, d_c_next (B,H)  →  d_a (B,4·H)  d_c (B,H); d_c_next may be absent: zeros
// Grid      one invocation per element of d_c
// Numerics  f32
// Cost      reads 8·B·H, writes 5·B·H floats

// @import lib/grid
// @import lib/activation

struct Params { n: u32, hidden: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gates: array<f32>;         // (B,4·H)
@group(0) @binding(2) var<storage, read> c: array<f32>;             // (B,H)
@group(0) @binding(3) var<storage, read> c_next: array<f32>;        // (B,H)
@group(0) @binding(4) var<storage, read> d_h: array<f32>;           // (B,H)
@group(0) @binding(5) var<storage, read> d_c_next: array<f32>;      // (B,H), optional
@group(0) @binding(6) var<storage, read_write> d_a: array<f32>;     // (B,4·H)
@group(0) @binding(7) var<storage, read_write> d_c: array<f32>;     // (B,H)

override HAS_D_C_NEXT: bool;

const WG = 64u;

@compute @workgroup_size(WG)
fn lstm_cell_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = flat_group(group, groups) * WG + lane;
    if (n >= params.n) { return; }
    let j = n / params.hidden * 4u * params.hidden + n % params.hidden;
    let f_at = j + params.hidden;
    let g_at = f_at + params.hidden;
    let o_at = g_at + params.hidden;
    let i = gates[j];
    let f = gates[f_at];
    let g = gates[g_at];
    let o = gates[o_at];
    let t = tanh_of(c_next[n]);
    var d = d_h[n] * o * (1.0 - t * t);
    if (HAS_D_C_NEXT) { d += d_c_next[n]; }
    d_a[j] = d * g * (i * (1.0 - i));
    d_a[f_at] = d * c[n] * (f * (1.0 - f));
    d_a[g_at] = d * i * (1.0 - g * g);
    d_a[o_at] = d_h[n] * t * (o * (1.0 - o));
    d_c[n] = d * f;
}

// lstm_cell — a step of a long short-term memory, behind its two products.
//
//   [i f g o] = a + u                     rows of 4·H: what the input gives, what the state gives, biases included
//   c'[b,j] = σ(f)·c[b,j] + σ(i)·tanh(g)
//   h[b,j]  = σ(o)·tanh(c'[b,j])          gates = [σ(i) σ(f) tanh(g) σ(o)], for the gradient
//
// Paper     Hochreiter, Schmidhuber 1997, with the forget gate of Gers, Schmidhuber, Cummins 2000
// Shapes    a, u (B,4·H)  c (B,H)  →  h, c_next (B,H)  gates (B,4·H)
// Grid      one invocation per element of h
// Numerics  f32; activations of lib/activation
// Cost      reads 9·B·H, writes 6·B·H floats

// @import lib/grid
// @import lib/activation

struct Params { n: u32, hidden: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;                 // (B,4·H)
@group(0) @binding(2) var<storage, read> u: array<f32>;                 // (B,4·H)
@group(0) @binding(3) var<storage, read> c: array<f32>;                 // (B,H)
@group(0) @binding(4) var<storage, read_write> h: array<f32>;           // (B,H)
@group(0) @binding(5) var<storage, read_write> c_next: array<f32>;      // (B,H)
@group(0) @binding(6) var<storage, read_write> gates: array<f32>;       // (B,4·H)

const WG = 64u;

@compute @workgroup_size(WG)
fn lstm_cell(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = flat_group(group, groups) * WG + lane;
    if (n >= params.n) { return; }
    let j = n / params.hidden * 4u * params.hidden + n % params.hidden;   // i of this row; f, g and o follow H apart
    let f_at = j + params.hidden;
    let g_at = f_at + params.hidden;
    let o_at = g_at + params.hidden;
    let i = sigmoid_of(a[j] + u[j]);
    let f = sigmoid_of(a[f_at] + u[f_at]);
    let g = tanh_of(a[g_at] + u[g_at]);
    let o = sigmoid_of(a[o_at] + u[o_at]);
    let cell = f * c[n] + i * g;
    c_next[n] = cell;
    h[n] = o * tanh_of(cell);
    gates[j] = i;
    gates[f_at] = f;
    gates[g_at] = g;
    gates[o_at] = o;
}

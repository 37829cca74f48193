// gru_cell — a step of gated recurrent units, behind its two products.
//
//   [r z n]: r = σ(a_r + u_r)   z = σ(a_z + u_z)   n = tanh(a_n + r·u_n)
//   h_next[b,j] = (1 − z)·n + z·h[b,j]             gates = [r z n], for the gradient
//
// Paper     Cho et al. 2014, arXiv:1406.1078, with the bias of the recurrent part inside the product, as PyTorch has it
// Shapes    a, u (B,3·H)  h (B,H)  →  h_next (B,H)  gates (B,3·H)
// Grid      one invocation per element of h
// Numerics  f32; activations of lib/activation
// Cost      reads 7·B·H, writes 4·B·H floats

// @import lib/grid
// @import lib/activation

struct Params { n: u32, hidden: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;                 // (B,3·H)
@group(0) @binding(2) var<storage, read> u: array<f32>;                 // (B,3·H)
@group(0) @binding(3) var<storage, read> h: array<f32>;                 // (B,H)
@group(0) @binding(4) var<storage, read_write> h_next: array<f32>;      // (B,H)
@group(0) @binding(5) var<storage, read_write> gates: array<f32>;       // (B,3·H)

const WG = 64u;

@compute @workgroup_size(WG)
fn gru_cell(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let j = i / params.hidden * 3u * params.hidden + i % params.hidden;   // r of this row; z and n follow H apart
    let z_at = j + params.hidden;
    let n_at = z_at + params.hidden;
    let r = sigmoid_of(a[j] + u[j]);
    let z = sigmoid_of(a[z_at] + u[z_at]);
    let n = tanh_of(a[n_at] + r * u[n_at]);
    h_next[i] = (1.0 - z) * n + z * h[i];
    gates[j] = r;
    gates[z_at] = z;
    gates[n_at] = n;
}

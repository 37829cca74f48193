// gru_cell_backward — gradients of a step of gated recurrent units, from the gates it saved.
//
//   p = d_h_next·(1 − z)·(1 − n²)
//   d_a = [p·u_n·r·(1 − r)   d_h_next·(h − n)·z·(1 − z)   p]      d_u = [d_a_r  d_a_z  p·r]      d_h = d_h_next·z
//
// Paper     Cho et al. 2014, arXiv:1406.1078
// Shapes    gates, u (B,3·H)  h, d_h_next (B,H)  →  d_a, d_u (B,3·H)  d_h (B,H)
// Grid      one invocation per element of d_h
// Numerics  f32
// Cost      reads 6·B·H, writes 7·B·H floats

// @import lib/grid

struct Params { n: u32, hidden: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gates: array<f32>;         // (B,3·H)
@group(0) @binding(2) var<storage, read> u: array<f32>;             // (B,3·H)
@group(0) @binding(3) var<storage, read> h: array<f32>;             // (B,H)
@group(0) @binding(4) var<storage, read> d_h_next: array<f32>;      // (B,H)
@group(0) @binding(5) var<storage, read_write> d_a: array<f32>;     // (B,3·H)
@group(0) @binding(6) var<storage, read_write> d_u: array<f32>;     // (B,3·H)
@group(0) @binding(7) var<storage, read_write> d_h: array<f32>;     // (B,H)

const WG = 64u;

@compute @workgroup_size(WG)
fn gru_cell_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let j = i / params.hidden * 3u * params.hidden + i % params.hidden;
    let z_at = j + params.hidden;
    let n_at = z_at + params.hidden;
    let r = gates[j];
    let z = gates[z_at];
    let n = gates[n_at];
    let d = d_h_next[i];
    let p = d * (1.0 - z) * (1.0 - n * n);
    let d_r = p * u[n_at] * (r * (1.0 - r));
    let d_z = d * (h[i] - n) * (z * (1.0 - z));
    d_a[j] = d_r;
    d_a[z_at] = d_z;
    d_a[n_at] = p;
    d_u[j] = d_r;
    d_u[z_at] = d_z;
    d_u[n_at] = p * r;
    d_h[i] = d * z;
}

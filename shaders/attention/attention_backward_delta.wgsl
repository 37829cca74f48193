// attention_backward_delta — what every query contributes to the gradients of its scores.
//
//   delta[t,0] = lse[t]
//   delta[t,1] = Σ_c d_y[t,c] · y[t,c] − d_lse[t]
//
// Both stand in one buffer, so that the kernels that read them need no more than 8.
//
// Paper     Dao et al. 2022, arXiv:2205.14135, appendix B.2; with a gradient of lse: its derivative by a score is p
// Shapes    y, d_y (B,T,H,DV)  lse, d_lse (B,H,T)  →  delta (B,H,T,2)
// Grid      one invocation per query
// Numerics  f32 sum in the order of c
// Cost      reads 2·B·T·H·DV floats, writes 2·B·T·H; 2·B·T·H·DV flops

// @import lib/grid

struct Params { n: u32, heads: u32, rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;             // (B,T,H,DV)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;           // (B,T,H,DV)
@group(0) @binding(3) var<storage, read> lse: array<f32>;           // (B,H,T)
@group(0) @binding(4) var<storage, read> d_lse: array<f32>;         // (B,H,T), optional
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;   // (B,H,T,2)

override HAS_D_LSE: bool;

const WG = 64u;

@compute @workgroup_size(WG)
fn attention_backward_delta(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Neighbours are heads of one token, whose rows of y lie one after another.
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let h = i % params.heads;
    let t = i / params.heads % params.rows;
    let b = i / params.heads / params.rows;
    var sum = 0.0;
    for (var c = i * params.columns; c < (i + 1u) * params.columns; c++) { sum += d_y[c] * y[c]; }
    let row = (b * params.heads + h) * params.rows + t;
    if (HAS_D_LSE) { sum -= d_lse[row]; }
    delta[2u * row] = lse[row];
    delta[2u * row + 1u] = sum;
}

// gru_step, gru_step_matvec — a step of gated recurrent units with its recurrent product, in one dispatch.
//
//   u = h Wᵀ + b: r = σ(a_r + u_r)   z = σ(a_z + u_z)   n = tanh(a_n + r·u_n)
//   h_next[b,j] = (1 − z)·n + z·h[b,j]            gates = [r z n], for the gradient
//
// Paper     Cho et al. 2014, arXiv:1406.1078, with the bias of the recurrent part inside the product, as PyTorch has it
// Shapes    a (B,3·H)  before, h (B,H): the same state  w (3·H,H)  b (3·H)  →  h_next (B,H)  gates (B,3·H)
// Grid      plain: one invocation per unit of a row. matvec, for GPUs: a workgroup per unit and four rows, whose lanes
//           lie along the state
// Numerics  f32; plain sums in the order of the state; a lane of matvec every 64th, then a tree over the lanes
// Cost      6·B·H·H flops; w is read once for four rows (plain: once a row); 4 KiB of workgroup memory

// @import lib/grid
// @import lib/recurrent_step_scalar
// @import lib/gru_gates

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;              // (B,3·H)
@group(0) @binding(2) var<storage, read> before: array<f32>;         // (B,H)
@group(0) @binding(3) var<storage, read> h: array<f32>;              // (B,H)
@group(0) @binding(4) var<storage, read> w: array<u32>;              // (3·H,H), f32 or f16
@group(0) @binding(5) var<storage, read> b: array<f32>;              // (3·H), optional
@group(0) @binding(6) var<storage, read_write> h_next: array<f32>;   // (B,H)
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;    // (B,3·H)

@compute @workgroup_size(WG)
fn gru_step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn gru_step_matvec(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step_matvec(flat_group(group, groups), lane);
}

// lstm_step, lstm_step_matvec — a step of a long short-term memory with its recurrent product, in one dispatch.
//
//   [i f g o] = a + h Wᵀ + b
//   c_next[r,j] = σ(f)·c[r,j] + σ(i)·tanh(g)
//   h_next[r,j] = σ(o)·tanh(c_next[r,j])          gates = [σ(i) σ(f) tanh(g) σ(o)], for the gradient
//
// Paper     Hochreiter, Schmidhuber 1997, with the forget gate of Gers, Schmidhuber, Cummins 2000
// Shapes    a (B,4·H)  c (B,H)  h (B,R)  w (4·H,R)  b (4·H)  →  h_next, c_next (B,H)  gates (B,4·H)
// Grid      plain: one invocation per unit of a row. matvec, for GPUs: a workgroup per unit and four rows, whose lanes
//           lie along the state
// Numerics  f32; plain sums in the order of the state; a lane of matvec every 64th, then a tree over the lanes
// Cost      8·B·H·R flops; w is read once for four rows (plain: once a row); 4 KiB of workgroup memory
// Tried     not measured on a GPU; it saves a dispatch a step

// @import lib/grid
// @import lib/recurrent_step_scalar
// @import lib/lstm_gates

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;              // (B,4·H)
@group(0) @binding(2) var<storage, read> c: array<f32>;              // (B,H)
@group(0) @binding(3) var<storage, read> h: array<f32>;              // (B,R)
@group(0) @binding(4) var<storage, read> w: array<u32>;              // (4·H,R), f32 or f16
@group(0) @binding(5) var<storage, read> b: array<f32>;              // (4·H), optional
@group(0) @binding(6) var<storage, read_write> h_next: array<f32>;   // (B,H)
@group(0) @binding(7) var<storage, read_write> c_next: array<f32>;   // (B,H)
@group(0) @binding(8) var<storage, read_write> gates: array<f32>;    // (B,4·H)

@compute @workgroup_size(WG)
fn lstm_step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn lstm_step_matvec(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step_matvec(flat_group(group, groups), lane);
}

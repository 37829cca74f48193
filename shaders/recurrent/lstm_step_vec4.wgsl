// lstm_step_vec4 — lstm_step for CPU adapters: vectors of four along the state, whose size is a multiple of 4 (of 8 for
// weights in f16); no barrier.
//
//   [i f g o] = a + h Wᵀ + b
//   c_next[r,j] = σ(f)·c[r,j] + σ(i)·tanh(g)
//   h_next[r,j] = σ(o)·tanh(c_next[r,j])          gates = [σ(i) σ(f) tanh(g) σ(o)], for the gradient
//
// Paper     Hochreiter, Schmidhuber 1997, with the forget gate of Gers, Schmidhuber, Cummins 2000
// Shapes    a (B,4·H)  c (B,H)  h (B,R)  w (4·H,R)  b (4·H)  →  h_next, c_next (B,H)  gates (B,4·H)
// Grid      a lane owns a unit of ROWS rows; a workgroup one block of rows, so that h is read at addresses all lanes
//           share
// Numerics  f32 sums of sums of four
// Cost      8·B·H·R flops; w is read once for ROWS rows
// Tried     against matmul_vec4 and lstm_cell on llvmpipe, one row of 512 units: no difference beyond the noise

// @import lib/grid
// @import lib/recurrent_step_vec4
// @import lib/lstm_gates

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;              // (B,4·H)
@group(0) @binding(2) var<storage, read> c: array<f32>;              // (B,H)
@group(0) @binding(3) var<storage, read> h: array<vec4<f32>>;        // (B,R)
@group(0) @binding(4) var<storage, read> w: array<vec4<u32>>;        // (4·H,R), f32 or f16
@group(0) @binding(5) var<storage, read> b: array<f32>;              // (4·H), optional
@group(0) @binding(6) var<storage, read_write> h_next: array<f32>;   // (B,H)
@group(0) @binding(7) var<storage, read_write> c_next: array<f32>;   // (B,H)
@group(0) @binding(8) var<storage, read_write> gates: array<f32>;    // (B,4·H)

@compute @workgroup_size(WG)
fn lstm_step_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step_vec4(flat_group(group, groups), lane);
}

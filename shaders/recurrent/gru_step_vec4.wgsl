// gru_step_vec4 — gru_step for CPU adapters: vectors of four along the state, whose size is a multiple of 4 (of 8 for
// weights in f16); no barrier.
//
//   u = h Wᵀ + b: r = σ(a_r + u_r)   z = σ(a_z + u_z)   n = tanh(a_n + r·u_n)
//   h_next[b,j] = (1 − z)·n + z·h[b,j]            gates = [r z n], for the gradient
//
// Paper     Cho et al. 2014, arXiv:1406.1078, with the bias of the recurrent part inside the product, as PyTorch has it
// Shapes    a (B,3·H)  before, h (B,H): the same state  w (3·H,H)  b (3·H)  →  h_next (B,H)  gates (B,3·H)
// Grid      a lane owns a unit of ROWS rows; a workgroup one block of rows, so that h is read at addresses all lanes
//           share
// Numerics  f32 sums of sums of four
// Cost      6·B·H·H flops; w is read once for ROWS rows

// @import lib/grid
// @import lib/recurrent_step_vec4
// @import lib/gru_gates

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;              // (B,3·H)
@group(0) @binding(2) var<storage, read> before: array<f32>;         // (B,H)
@group(0) @binding(3) var<storage, read> h: array<vec4<f32>>;        // (B,H)
@group(0) @binding(4) var<storage, read> w: array<vec4<u32>>;        // (3·H,H), f32 or f16
@group(0) @binding(5) var<storage, read> b: array<f32>;              // (3·H), optional
@group(0) @binding(6) var<storage, read_write> h_next: array<f32>;   // (B,H)
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;    // (B,3·H)

@compute @workgroup_size(WG)
fn gru_step_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    step_vec4(flat_group(group, groups), lane);
}

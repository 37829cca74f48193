// matmul_coop8 — matmul in f16 on cooperative matrices of 8 × 8, as Apple's GPUs have them.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Source    VK_KHR_cooperative_matrix; the subgroup's tile of 4 × 4 matrices as in NVIDIA's vk_cooperative_matrix_perf
// Shapes    a (…,M,K) f16 with K innermost  w (…,K,N) f16 with N or K innermost  b (N)  residual (…,M,N)  →
//           y (…,M,N); strides, K and, if it is innermost, N are multiples of 4
// Grid      one workgroup of four subgroups per 64 × 64 tile of a product
// Numerics  f16 operands, exact products, f32 sums in an order of the adapter's; the epilogue in f32. An adapter is
//           given this variant once it has computed a small product right (src/cooperative.rs)
// Cost      reads M·N·K/32 halves, writes M·N; 2·M·N·K flops; 7 KiB of workgroup memory
// Tried     not measured: no adapter with cooperative matrices was at hand; its rows run emulated (tests/kernels/emulated.rs)

enable f16;
enable wgpu_cooperative_matrix;

const SIDE = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

// @import lib/matmul_coop

@compute @workgroup_size(WG)
fn matmul_coop8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane_of: u32,
) {
    product(flat_group(group, groups), lane, subgroup, lane_of);
}

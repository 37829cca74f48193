// matmul — products of matrices, with bias, activation and residual.
//
//   acc[i,m,n] = Σ_k a[i,m,k] · w[i,k,n]
//   y[i,m,n]   = activation_out( activation( scale · acc[i,m,n] + b[n] ) + residual[i,m,n] )
//
// Source    numpy.matmul, PyTorch torch.addmm
// Shapes    a (…,M,K)  w (…,K,N)  b (N)  residual (…,M,N)  →  y (…,M,N); a and w of any strides
// Grid      one invocation per element of y
// Numerics  f32 sum in the order of k
// Cost      reads 2·M·N·K floats through the caches, writes M·N; 2·M·N·K flops

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;          // (…,M,K), any strides
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (…,K,N), any strides, f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

const WG = 64u;
const STEP = 8u;   // written out, so that K may be 8 times the loop limit of a CPU adapter

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

@compute @workgroup_size(WG)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.count * params.m * params.columns) { return; }
    let column = i % params.columns;
    let row = i / params.columns;
    let at = coordinates(row / params.m);
    let from_a = a_start(at) + row % params.m * params.a_row;
    let from_w = w_start(at) + column * params.w_col;

    var acc = 0.0;
    var k = 0u;
    for (; k + STEP <= params.k; k += STEP) {
        // @unroll
        for (var u = 0u; u < STEP; u++) {
            acc += a[from_a + (k + u) * params.a_col] * weight(from_w + (k + u) * params.w_row);
        }
    }
    for (; k < params.k; k++) {
        acc += a[from_a + k * params.a_col] * weight(from_w + k * params.w_row);
    }
    let target_column = params.first + column;
    let out = row * params.n + target_column;
    y[out] = finish(acc, target_column, out);
}

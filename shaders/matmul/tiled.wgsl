// matmul_tiled — matmul for GPUs: 64 × 64 tiles through workgroup memory, 8 × 8 sums in registers a lane.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Source    Boehm 2022, "How to optimize a CUDA matmul kernel", kernels 5–6
// Shapes    a (…,M,K)  w (…,K,N)  b (N)  residual (…,M,N)  →  y (…,M,N); a and w of any strides
// Grid      one workgroup per 64 × 64 tile of a product
// Numerics  f32 sums in the order of k
// Cost      reads M·N·K/32 floats, writes M·N; 2·M·N·K flops; 8.5 KiB of workgroup memory. The next tile is
//           read into registers while this one is multiplied

// @import lib/grid
// @import lib/matmul
// @import lib/matmul_tile

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;          // (…,M,K), any strides
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (…,K,N), any strides, f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

@compute @workgroup_size(WG)
fn matmul_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let tiles_n = (params.columns + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let batch = g / tiles_n / tiles_m;
    if (batch >= params.count) { return; }   // uniform: g is the workgroup's
    let row0 = g / tiles_n % tiles_m * TILE;
    let column0 = g % tiles_n * TILE;
    let at = coordinates(batch);
    let from_a = a_start(at);
    let from_w = w_start(at);
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;
    let along = lane % BK;
    let across = lane / BK;

    // Rows 4·lane_m + 0…3 and 32 more, columns 4·lane_n + 0…3 and 32 more: neighbours read neighbouring vec4.
    var low: array<vec4<f32>, 8>;    // first four columns
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < params.k + BK; k0 += BK) {
        // What the next round multiplies, 0 outside: its reads wait while this one is multiplied.
        var next_a: array<vec4<f32>, 4>;
        var next_w: array<vec4<f32>, 4>;
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            let a_k = select(along, across + 4u * i, A_K_OUTERMOST);
            let a_m = select(across + 4u * i, along, A_K_OUTERMOST);
            next_a[i] = a_four(from_a, row0 + 4u * a_m, k0 + a_k);
            let w_k = select(along, across + 4u * i, W_K_OUTERMOST);
            let w_n = select(across + 4u * i, along, W_K_OUTERMOST);
            next_w[i] = w_four(from_w, column0 + 4u * w_n, k0 + w_k);
        }
        for (var k = 0u; k < BK && k0 > 0u; k++) {
            let m0 = a_tile[k * ROW + lane_m];
            let m1 = a_tile[k * ROW + lane_m + 8u];
            let n0 = w_tile[k * ROW + lane_n];
            let n1 = w_tile[k * ROW + lane_n + 8u];
            // @unroll
            for (var r = 0u; r < 4u; r++) {
                low[r] += m0[r] * n0;
                high[r] += m0[r] * n1;
                low[r + 4u] += m1[r] * n0;
                high[r + 4u] += m1[r] * n1;
            }
        }
        workgroupBarrier();
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            let a_k = select(along, across + 4u * i, A_K_OUTERMOST);
            let a_m = select(across + 4u * i, along, A_K_OUTERMOST);
            a_tile[a_k * ROW + a_m] = next_a[i];
            let w_k = select(along, across + 4u * i, W_K_OUTERMOST);
            let w_n = select(across + 4u * i, along, W_K_OUTERMOST);
            w_tile[w_k * ROW + w_n] = next_w[i];
        }
        workgroupBarrier();
    }
    let out = batch * params.m * params.n + params.first;
    let corner_m = row0 + lane_m * 4u;
    let corner_n = column0 + lane_n * 4u;
    // @unroll
    for (var r = 0u; r < 8u; r++) {
        let row = corner_m + r / 4u * 32u + r % 4u;
        let i = out + row * params.n + corner_n;
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            if (!EPILOGUE && row < params.m && corner_n + j < params.columns) { y[i + j] = low[r][j]; }
            if (!EPILOGUE && row < params.m && corner_n + j + 32u < params.columns) { y[i + j + 32u] = high[r][j]; }
        }
    }
    if (EPILOGUE) {
        var first = low;   // indexed by a loop, so that low and high themselves stay in registers
        var second = high;
        for (var e = 0u; e < 64u; e++) {
            let row = corner_m + e / 32u * 32u + e / 8u % 4u;
            let n = corner_n + e / 4u % 2u * 32u + e % 4u;
            if (row < params.m && n < params.columns) {
                let i = out + row * params.n + n;
                let r = e / 32u * 4u + e / 8u % 4u;
                let sum = select(first[r][e % 4u], second[r][e % 4u], e / 4u % 2u == 1u);
                y[i] = finish(sum, params.first + n, i);
            }
        }
    }
}

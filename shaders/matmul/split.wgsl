// matmul_split — matmul for GPUs where a long inner size meets few tiles: pieces of K by different workgroups.
//
//   partial[p,i,m,n] = Σ_{k in piece p} a[i,m,k] · w[i,k,n]
//   y[i,m,n] = activation_out( activation( scale · Σ_p partial[p,i,m,n] + b[n] ) + residual[i,m,n] )
//
// So are the gradients of weights: M and N are its sides, K all tokens of a batch.
//
// Source    tiles as in tiled.wgsl
// Shapes    a (…,M,K)  w (…,K,N)  b (N)  residual (…,M,N)  →  y (…,M,N); a and w of any strides
// Grid      matmul_split_parts: one workgroup per piece and 64 × 64 tile of a product; matmul_split: an invocation
//           per element of y
// Numerics  f32 sums in the order of k within a piece, then in the order of pieces
// Cost      reads M·N·K/32 floats, writes and reads P·M·N; 2·M·N·K flops; 8.5 KiB of workgroup memory

// @import lib/grid
// @import lib/matmul
// @import lib/matmul_tile

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;          // (…,M,K), any strides
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (…,K,N), any strides, f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;   // (P,…,M,N)

override PIECES: u32;
override PIECE: u32;   // inner size of a piece, a multiple of BK

@compute @workgroup_size(WG)
fn matmul_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let tiles_n = (params.columns + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let batch = g / tiles_n / tiles_m % params.count;
    let piece = g / tiles_n / tiles_m / params.count;
    if (piece >= PIECES) { return; }   // uniform: g is the workgroup's
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
    let end = min((piece + 1u) * PIECE, params.k);
    for (var k0 = piece * PIECE; k0 < end; k0 += BK) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            let a_k = select(along, across + 4u * i, A_K_OUTERMOST);
            let a_m = select(across + 4u * i, along, A_K_OUTERMOST);
            a_tile[a_k * ROW + a_m] = a_four(from_a, row0 + 4u * a_m, k0 + a_k);
            let w_k = select(along, across + 4u * i, W_K_OUTERMOST);
            let w_n = select(across + 4u * i, along, W_K_OUTERMOST);
            w_tile[w_k * ROW + w_n] = w_four(from_w, column0 + 4u * w_n, k0 + w_k);
        }
        workgroupBarrier();
        for (var k = 0u; k < BK; k++) {
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
    }
    let out = (piece * params.count + batch) * params.m * params.n;
    let corner_m = row0 + lane_m * 4u;
    let corner_n = column0 + lane_n * 4u;
    // @unroll
    for (var r = 0u; r < 8u; r++) {
        let row = corner_m + r / 4u * 32u + r % 4u;
        let i = out + row * params.n + corner_n;
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            if (row < params.m && corner_n + j < params.n) { partial[i + j] = low[r][j]; }
            if (row < params.m && corner_n + j + 32u < params.n) { partial[i + j + 32u] = high[r][j]; }
        }
    }
}

@compute @workgroup_size(WG)
fn matmul_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    let n = params.count * params.m * params.n;
    if (i >= n) { return; }
    var acc = 0.0;
    for (var piece = 0u; piece < PIECES; piece++) { acc += partial[piece * n + i]; }
    y[i] = finish(acc, i % params.n, i);
}

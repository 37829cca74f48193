// matmul_vec4 — matmul for CPU adapters: no workgroup memory, no barrier, vectors of four.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Shapes    a (…,M,K) with K innermost  w (…,K,N) with N or K innermost  →  y (…,M,N); strides and K are
//           multiples of 4, so is N if it is innermost in w (of 8 in f16)
// Grid      a lane owns ROWS rows × 2 · 4 columns; a workgroup one block of rows and 64 columns, so that a is read
//           at addresses all lanes share, w once per lane and four k
// Numerics  f32 sums in the order of k
// Cost      reads M·N·K/ROWS floats of w and M·N·K/64 of a through the caches; 2·M·N·K flops
// Tried     on llvmpipe, Mesa 22.3.6, two busy cores, side by side, matmul/f32/512x512x512: what a load costs decides.
//           Without the loads of a (and a wrong result) 2.4 times as fast, without those of w 1.35, so 8 columns a
//           lane in place of 4: 1.56. w at shared addresses, sorted into lanes by select: 0.35, 2026-11

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;    // (…,M,K)
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;    // (…,K,N) f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

override K_INNERMOST: bool;   // w lies (…,N,K)
override ROWS: u32;   // 1, 2, 4, 8 or 16 rows a lane

const WG = 8u;

// Four weights from element i, a multiple of 4.
fn weights(i: u32) -> vec4<f32> {
    if (W_F16) {
        let pair = w[i >> 3u];
        let half = select(pair.xy, pair.zw, (i & 4u) != 0u);
        return vec4<f32>(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(w[i >> 2u]);
}

// Rows k … k + 3 of four columns that begin at the elements from_w.
fn panel(from_w: vec4<u32>, k: u32) -> mat4x4<f32> {
    if (K_INNERMOST) {
        return transpose(mat4x4<f32>(
            weights(from_w.x + k), weights(from_w.y + k), weights(from_w.z + k), weights(from_w.w + k)));
    }
    let start = from_w.x + k * params.w_row;
    return mat4x4<f32>(weights(start), weights(start + params.w_row),
        weights(start + 2u * params.w_row), weights(start + 3u * params.w_row));
}

// Elements of w at which columns column … column + 3 begin; past the end the last ones.
fn begins(start: u32, column: u32) -> vec4<u32> {
    let last = params.columns - 1u;
    if (K_INNERMOST) {
        return start + min(vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * params.w_col;
    }
    return start + vec4<u32>(min(column, (last >> 2u) << 2u));
}

@compute @workgroup_size(WG)
fn matmul_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_blocks = (params.m + ROWS - 1u) / ROWS;
    let column_blocks = (params.columns + 8u * WG - 1u) / (8u * WG);
    let g = flat_group(group, groups);
    let row = g % row_blocks * ROWS;
    let column = (g / row_blocks % column_blocks * 2u * WG + lane) * 4u;   // and 4·WG further on
    let batch = g / row_blocks / column_blocks;
    if (batch >= params.count) { return; }
    let at = coordinates(batch);

    // Rows and columns past the end repeat the last one and are not written.
    let from_a = a_start(at);
    let last_row = params.m - 1u;
    let last = params.columns - 1u;
    let near = begins(w_start(at), column);
    let far = begins(w_start(at), column + 4u * WG);
    var begin: array<u32, 16>;
    var acc: array<vec4<f32>, 32>;   // rows of the near columns, then of the far ones
    // @unroll
    for (var r = 0u; r < 16u; r++) { begin[r] = from_a + min(row + r, last_row) * params.a_row; }

    for (var k = 0u; k < params.k; k += 4u) {
        let w0 = panel(near, k);
        let w1 = panel(far, k);
        // @unroll
        for (var r = 0u; r < 16u; r++) {
            if (r < ROWS) {
                let v = a[(begin[r] + k) >> 2u];
                acc[r] += v.x * w0[0]; acc[r] += v.y * w0[1]; acc[r] += v.z * w0[2]; acc[r] += v.w * w0[3];
                acc[r + 16u] += v.x * w1[0]; acc[r + 16u] += v.y * w1[1];
                acc[r + 16u] += v.z * w1[2]; acc[r + 16u] += v.w * w1[3];
            }
        }
    }
    let out = batch * params.m * params.n + params.first;
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        if (!EPILOGUE && r < ROWS && row + r <= last_row) {
            let i = out + (row + r) * params.n + column;
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                if (column + j <= last) { y[i + j] = acc[r][j]; }
                if (column + 4u * WG + j <= last) { y[i + 4u * WG + j] = acc[r + 16u][j]; }
            }
        }
    }
    if (EPILOGUE) {
        var sums = acc;   // indexed by a loop, so that acc itself stays in registers
        for (var r = 0u; r < ROWS && row + r <= last_row; r++) {
            for (var j = 0u; j < 8u; j++) {
                let n = column + j % 4u + j / 4u * 4u * WG;
                if (n <= last) {
                    let i = out + (row + r) * params.n + n;
                    y[i] = finish(sums[r + j / 4u * 16u][j % 4u], params.first + n, i);
                }
            }
        }
    }
}

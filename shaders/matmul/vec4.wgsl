// matmul_vec4 — matmul for CPU adapters: no workgroup memory, no barrier, vectors of four.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Shapes    a (…,M,K) with K innermost  w (…,K,N) with N or K innermost  →  y (…,M,N); strides and K are
//           multiples of 4, so is N if it is innermost in w (of 8 in f16)
// Grid      a lane owns ROWS rows × 4 columns; a workgroup one block of rows, so that a is read at
//           addresses all lanes share (one scalar load there), w once per lane and four k
// Numerics  f32 sums in the order of k
// Cost      reads M·N·K/ROWS floats of w through the caches; 2·M·N·K flops

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

const WG = 16u;

// Four weights from element i, a multiple of 4.
fn weights(i: u32) -> vec4<f32> {
    if (W_F16) {
        let pair = w[i >> 3u];
        let half = select(pair.xy, pair.zw, (i & 4u) != 0u);
        return vec4<f32>(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(w[i >> 2u]);
}

@compute @workgroup_size(WG)
fn matmul_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_blocks = (params.m + ROWS - 1u) / ROWS;
    let column_blocks = (params.columns + 4u * WG - 1u) / (4u * WG);
    let g = flat_group(group, groups);
    let row = g % row_blocks * ROWS;
    let column = (g / row_blocks % column_blocks * WG + lane) * 4u;
    let batch = g / row_blocks / column_blocks;
    if (batch >= params.count) { return; }
    let at = coordinates(batch);

    // Rows and columns past the end repeat the last one and are not written.
    let from_a = a_start(at);
    let last_row = params.m - 1u;
    let last = params.columns - 1u;
    var from_w = w_start(at) + vec4<u32>(min(column, (last >> 2u) << 2u));
    if (K_INNERMOST) {
        from_w = w_start(at) + min(vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * params.w_col;
    }
    var begin: array<u32, 16>;
    var acc: array<vec4<f32>, 16>;
    // @unroll
    for (var r = 0u; r < 16u; r++) { begin[r] = from_a + min(row + r, last_row) * params.a_row; }

    for (var k = 0u; k < params.k; k += 4u) {
        var w0: vec4<f32>; var w1: vec4<f32>; var w2: vec4<f32>; var w3: vec4<f32>;
        if (K_INNERMOST) {
            let t0 = weights(from_w.x + k); let t1 = weights(from_w.y + k);
            let t2 = weights(from_w.z + k); let t3 = weights(from_w.w + k);
            w0 = vec4<f32>(t0.x, t1.x, t2.x, t3.x); w1 = vec4<f32>(t0.y, t1.y, t2.y, t3.y);
            w2 = vec4<f32>(t0.z, t1.z, t2.z, t3.z); w3 = vec4<f32>(t0.w, t1.w, t2.w, t3.w);
        } else {
            let start = from_w.x + k * params.w_row;
            w0 = weights(start); w1 = weights(start + params.w_row);
            w2 = weights(start + 2u * params.w_row); w3 = weights(start + 3u * params.w_row);
        }
        // @unroll
        for (var r = 0u; r < 16u; r++) {
            if (r < ROWS) {
                let v = a[(begin[r] + k) >> 2u];
                acc[r] += v.x * w0; acc[r] += v.y * w1; acc[r] += v.z * w2; acc[r] += v.w * w3;
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
            }
        }
    }
    if (EPILOGUE) {
        var sums = acc;   // indexed by a loop, so that acc itself stays in registers
        for (var r = 0u; r < ROWS && row + r <= last_row; r++) {
            for (var n = column; n < column + 4u && n <= last; n++) {
                let i = out + (row + r) * params.n + n;
                y[i] = finish(sums[r][n - column], params.first + n, i);
            }
        }
    }
}

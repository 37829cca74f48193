// matmul_direct — matmul for CPU adapters where vec4 does not apply: any strides, any sizes.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Shapes    a (…,M,K)  w (…,K,N)  b (N)  residual (…,M,N)  →  y (…,M,N); a and w of any strides
// Grid      a lane owns ROWS rows × 4 columns; a workgroup one block of rows, so that a is read at
//           addresses all lanes share
// Numerics  f32 sums in the order of k
// Cost      reads M·N·K/ROWS floats of w through the caches; 2·M·N·K flops

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;          // (…,M,K), any strides
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (…,K,N), any strides, f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

override ROWS: u32;   // 1, 2, 4, 8 or 16 rows a lane

const WG = 16u;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

@compute @workgroup_size(WG)
fn matmul_direct(
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
    let columns = min(vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
    let from_w = w_start(at) + columns * params.w_col;
    var begin: array<u32, 16>;
    var acc: array<vec4<f32>, 16>;
    // @unroll
    for (var r = 0u; r < 16u; r++) { begin[r] = from_a + min(row + r, last_row) * params.a_row; }

    for (var k = 0u; k < params.k; k++) {
        let i = from_w + k * params.w_row;
        let v = vec4<f32>(weight(i.x), weight(i.y), weight(i.z), weight(i.w));
        let step = k * params.a_col;
        // @unroll
        for (var r = 0u; r < 16u; r++) {
            if (r < ROWS) { acc[r] += a[begin[r] + step] * v; }
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

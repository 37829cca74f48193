// matmul_matvec — matmul for GPUs with few rows: bound by reading w once.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Shapes    a (…,M,K)  w (…,K,N)  b (N)  residual (…,M,N)  →  y (…,M,N); a and w of any strides
// Grid      a workgroup makes ROWS rows × 4·LANES_N columns; its 64 lanes lie LANES_N along the columns and
//           the rest along k, so that neighbours read neighbouring weights
// Numerics  f32; each lane sums every (64/LANES_N)th k, then a tree over the lanes
// Cost      reads K·N·⌈M/ROWS⌉ floats of w; 2·M·N·K flops; 8 KiB of workgroup memory
// Tried     8 rows of a workgroup for M of 5…8, where 4 read w twice: not measured on a GPU

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;          // (…,M,K), any strides
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (…,K,N), any strides, f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

override LANES_N: u32;   // 1 or 16
override ROWS: u32;      // rows of a workgroup, 4 or 8

const WG = 64u;
const FEW = 4u;   // columns of a lane
const MOST = 8u;

var<workgroup> partial: array<vec4<f32>, WG * MOST>;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

@compute @workgroup_size(WG)
fn matmul_matvec(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_blocks = (params.m + ROWS - 1u) / ROWS;
    let wide = 4u * LANES_N;
    let column_blocks = (params.columns + wide - 1u) / wide;
    let g = flat_group(group, groups);
    let batch = g / column_blocks / row_blocks;
    if (batch >= params.count) { return; }   // uniform: g is the workgroup's
    let row = g / column_blocks % row_blocks * ROWS;
    let column = g % column_blocks * wide + lane % LANES_N;
    let at = coordinates(batch);

    // Rows and columns past the end repeat the last one and are not written.
    let fours = vec4<u32>(0u, 1u, 2u, 3u);
    let rows = a_start(at) + min(row + fours, vec4<u32>(params.m - 1u)) * params.a_row;
    let more = a_start(at) + min(row + 4u + fours, vec4<u32>(params.m - 1u)) * params.a_row;
    let columns = column + fours * LANES_N;
    let begin = w_start(at) + min(columns, vec4<u32>(params.columns - 1u)) * params.w_col;
    var acc: array<vec4<f32>, MOST>;   // by row, over the columns
    for (var k = lane / LANES_N; k < params.k; k += WG / LANES_N) {
        let i = begin + k * params.w_row;
        let j = rows + k * params.a_col;
        let v = vec4<f32>(weight(i.x), weight(i.y), weight(i.z), weight(i.w));
        acc[0u] += a[j.x] * v;
        acc[1u] += a[j.y] * v;
        acc[2u] += a[j.z] * v;
        acc[3u] += a[j.w] * v;
        if (ROWS > 4u) {
            let l = more + k * params.a_col;
            acc[4u] += a[l.x] * v;
            acc[5u] += a[l.y] * v;
            acc[6u] += a[l.z] * v;
            acc[7u] += a[l.w] * v;
        }
    }
    // @unroll
    for (var r = 0u; r < MOST; r++) {
        if (r < ROWS) { partial[r * WG + lane] = acc[r]; }
    }
    workgroupBarrier();
    for (var half = WG / 2u; half >= LANES_N; half /= 2u) {
        if (lane < half) {
            // @unroll
            for (var r = 0u; r < MOST; r++) {
                if (r < ROWS) { partial[r * WG + lane] += partial[r * WG + lane + half]; }
            }
        }
        workgroupBarrier();
    }
    if (lane < LANES_N) {
        // @unroll
        for (var r = 0u; r < MOST; r++) {
            if (r < ROWS && row + r < params.m) {
                let out = (batch * params.m + row + r) * params.n + params.first;
                let v = partial[r * WG + lane];
                // @unroll
                for (var j = 0u; j < FEW; j++) {
                    let n = columns[j];
                    if (n < params.columns) { y[out + n] = finish(v[j], params.first + n, out + n); }
                }
            }
        }
    }
}

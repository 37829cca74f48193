// matmul_wide — matmul for GPUs where there is work for all of one: 128 × 128 tiles through workgroup memory, 8 × 8
// sums in registers a lane, memory in vectors of four.
//
//   y[i,m,n] = activation_out( activation( scale · Σ_k a[i,m,k] · w[i,k,n] + b[n] ) + residual[i,m,n] )
//
// Source    Boehm 2022, "How to optimize a CUDA matmul kernel", kernels 5–6
// Shapes    a (…,M,K) with K innermost  w (…,K,N) with N or K innermost  →  y (…,M,N); strides and K are multiples
//           of 4, so is N if it is innermost in w (of 8 in f16)
// Grid      one workgroup per 128 × 128 tile of a product, in strips of 8 rows that share columns of w in the cache
// Numerics  f32 sums in the order of k
// Cost      reads M·N·K/64 floats, writes M·N; 2·M·N·K flops; 16 KiB of workgroup memory. The next tile is read into
//           registers while this one is multiplied. The vectors of a row of a tile change places by its k, so that
//           lanes that store columns of four meet no bank twice; padding would not fit 16 KiB
// Tried     against tiled: not measured on a GPU yet

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;    // (…,M,K)
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;    // (…,K,N) f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

override K_INNERMOST: bool;   // w lies (…,N,K)

const WG = 256u;
const TILE = 128u;
const BK = 16u;
const ROW = 32u;          // vectors of a row of a tile
const HALF = 128u;        // lanes that load a; as many load w
const STRIP = 8u;
const IN_REGISTERS = 2u;  // activations below this code, none and relu, are short enough for 64 copies

var<workgroup> tile: array<vec4<f32>, 2u * BK * ROW>;   // (2,BK,128): rows of y innermost, then columns

// Where vector `at` of row k of a tile lies.
fn place(k: u32, at: u32) -> u32 {
    return k * ROW + (at ^ (k / 4u * 2u));
}

// Four weights from element i, a multiple of 4.
fn weights(i: u32) -> vec4<f32> {
    if (W_F16) {
        let eight = w[i >> 3u];
        let half = select(eight.xy, eight.zw, (i & 4u) != 0u);
        return vec4<f32>(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(w[i >> 2u]);
}

fn relu_or_same(v: f32, kind: u32) -> f32 {
    return select(v, max(v, 0.0), kind == 1u);
}

// As finish, where neither activation is more than relu.
fn finish_in_registers(acc: f32, column: u32, i: u32) -> f32 {
    var v = params.scale * acc;
    if (HAS_B) { v += b[column]; }
    v = relu_or_same(v, ACTIVATION);
    if (HAS_RESIDUAL) { v += residual[i]; }
    return relu_or_same(v, ACTIVATION_OUT);
}

@compute @workgroup_size(WG)
fn matmul_wide(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let tiles_n = (params.columns + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let batch = g / tiles_n / tiles_m;
    if (batch >= params.count) { return; }   // uniform: g is the workgroup's
    let of_batch = g % (tiles_n * tiles_m);
    let strip = of_batch / (STRIP * tiles_n) * STRIP;
    let in_strip = of_batch % (STRIP * tiles_n);
    let strip_rows = min(STRIP, tiles_m - strip);
    let row0 = (strip + in_strip % strip_rows) * TILE;
    let column0 = in_strip / strip_rows * TILE;

    // Half the lanes load a, half w: four rows (columns) × four k, or four k × four columns where N is innermost. Rows
    // and columns past the end repeat the last and are not written.
    let of_w = lane >= HALF;
    let l = lane % HALF;
    let by_columns = of_w && !K_INNERMOST;
    let across = select(l / 4u, l % ROW, by_columns);   // vector of the row of the tile
    let deep = select(l % 4u * 4u, l / ROW, by_columns);   // first k
    let at = coordinates(batch);
    let fours = vec4<u32>(4u * across) + vec4<u32>(0u, 1u, 2u, 3u);
    var begin = a_start(at) + min(row0 + fours, vec4<u32>(params.m - 1u)) * params.a_row + deep;
    if (of_w && K_INNERMOST) {
        begin = w_start(at) + min(column0 + fours, vec4<u32>(params.columns - 1u)) * params.w_col + deep;
    } else if (of_w) {
        let first = w_start(at) + min(column0 + 4u * across, (params.columns - 1u) / 4u * 4u);
        begin = first + (deep + vec4<u32>(0u, 4u, 8u, 12u)) * params.w_row;
    }
    let step = select(1u, params.w_row, by_columns);   // from one k to the next
    let half = select(0u, BK * ROW, of_w);
    let lane_m = lane / 16u;
    let lane_n = lane % 16u;

    // Rows 4·lane_m + 0…3 and 64 more, columns 4·lane_n + 0…3 and 64 more.
    var low: array<vec4<f32>, 8>;    // first four columns
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < params.k + BK; k0 += BK) {
        // What the next round multiplies, 0 outside: its reads wait while this one is multiplied.
        var next: array<vec4<f32>, 4>;
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            if (k0 + deep + select(0u, 4u * i, by_columns) < params.k) {
                if (of_w) { next[i] = weights(begin[i] + k0 * step); } else { next[i] = a[(begin[i] + k0) >> 2u]; }
            }
        }
        for (var k = 0u; k < BK && k0 > 0u; k++) {
            let m0 = tile[place(k, lane_m)];
            let m1 = tile[place(k, lane_m + 16u)];
            let n0 = tile[BK * ROW + place(k, lane_n)];
            let n1 = tile[BK * ROW + place(k, lane_n + 16u)];
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
            let column = vec4<f32>(next[0][i], next[1][i], next[2][i], next[3][i]);
            let k = deep + select(i, 4u * i, by_columns);
            tile[half + place(k, across)] = select(column, next[i], by_columns);
        }
        workgroupBarrier();
    }
    let out = batch * params.m * params.n + params.first;
    let in_registers = ACTIVATION < IN_REGISTERS && ACTIVATION_OUT < IN_REGISTERS;
    // @unroll
    for (var h = 0u; h < 4u; h++) {
        let first_m = row0 + 4u * lane_m + h / 2u * 64u;
        let first_n = column0 + 4u * lane_n + h % 2u * 64u;
        // @unroll
        for (var r = 0u; r < 4u; r++) {
            let acc = select(low[r + h / 2u * 4u], high[r + h / 2u * 4u], h % 2u == 1u);
            if (!in_registers) { tile[r * WG + lane] = acc; }
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                let i = out + (first_m + r) * params.n + first_n + j;
                if (in_registers && first_m + r < params.m && first_n + j < params.columns) {
                    y[i] = finish_in_registers(acc[j], params.first + first_n + j, i);
                }
            }
        }
        // A lane's own sums, so that no barrier is needed.
        for (var e = 0u; e < 16u && !in_registers; e++) {
            let i = out + (first_m + e / 4u) * params.n + first_n + e % 4u;
            if (first_m + e / 4u < params.m && first_n + e % 4u < params.columns) {
                y[i] = finish(tile[e / 4u * WG + lane][e % 4u], params.first + first_n + e % 4u, i);
            }
        }
    }
}

// conv2d_pointwise — conv2d of 1 × 1 windows for GPUs: a product of the weights (O,C) with every image (C,S),
// 64 channels × 64 pixels a workgroup, 8 × 8 sums in registers a lane, memory in vectors of four.
//
//   acc[b,o,s] = Σ_c w[o,c] · x[b, g·C/G + c, s]                        S = H·W
//   y          = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Source    Boehm 2022, "How to optimize a CUDA matmul kernel", kernels 5–6
// Shapes    x (B,C,S)  w (O,C/G)  b (O)  residual (B,O,S)  →  y (B,O,S); S and C/G multiples of 4 (C/G of 8 in f16)
// Grid      one workgroup per 64 pixels × 64 channels of a group; neighbours share their pixels, so that x is read once
// Numerics  f32 sums in the order of c
// Cost      reads 1/32 float a product; 2·B·O·S·C/G flops; 8.5 KiB of workgroup memory. The next tile is read into
//           registers while this one is multiplied. Other activations than relu are applied in a loop over sums laid
//           down in the tiles: 64 copies of them would take drivers seconds to compile
// Tried     not measured on a GPU; on llvmpipe (row 1x64x56x56/256x1x1) 19.0 ms, tiled 32.2, vec4 13.0

// @import lib/grid
// @import lib/activation
// @import lib/conv_sizes

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // (B,C,S/4)
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;          // (O,C/G), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;                // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;   // (B,O,S/4), optional
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;    // (B,O,S/4)

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts of the stores
const IN_REGISTERS = 2u;   // activations below this code, none and relu, are short enough for 64 copies

var<workgroup> w_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), channels innermost
var<workgroup> x_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), pixels innermost

// Four weights from element i, a multiple of 4.
fn weights(i: u32) -> vec4<f32> {
    if (W_F16) {
        let eight = w[i >> 3u];
        let half = select(eight.xy, eight.zw, (i & 4u) != 0u);
        return vec4<f32>(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(w[i >> 2u]);
}

fn relu_or_same(v: vec4<f32>, kind: u32) -> vec4<f32> {
    return select(v, max(v, vec4<f32>()), kind == 1u);
}

fn activate_four(v: vec4<f32>, kind: u32) -> vec4<f32> {
    return vec4<f32>(activate(v.x, kind), activate(v.y, kind), activate(v.z, kind), activate(v.w, kind));
}

// The sums of vector i of y, in channel `o`, with an epilogue of at most relu.
fn finish_in_registers(acc: vec4<f32>, o: u32, i: u32) -> vec4<f32> {
    var v = params.scale * acc;
    if (HAS_B) { v += b[o]; }
    v = relu_or_same(v, ACTIVATION);
    if (HAS_RESIDUAL) { v += residual[i]; }
    return relu_or_same(v, ACTIVATION_OUT);
}

fn finish(acc: vec4<f32>, o: u32, i: u32) -> vec4<f32> {
    var v = params.scale * acc;
    if (HAS_B) { v += b[o]; }
    v = activate_four(v, ACTIVATION);
    if (HAS_RESIDUAL) { v += residual[i]; }
    return activate_four(v, ACTIVATION_OUT);
}

@compute @workgroup_size(WG)
fn conv2d_pointwise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let wide = params.w_in / 4u;
    let vectors = params.batch * wide;
    let tiles_o = (outer + TILE - 1u) / TILE;
    let tiles_p = (4u * vectors + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let of_group = g / tiles_o / tiles_p;
    if (of_group >= params.groups) { return; }   // uniform: g is the workgroup's
    let channel0 = g % tiles_o * TILE;
    let vector0 = g / tiles_o % tiles_p * (TILE / 4u);
    let first = of_group * outer;

    // The vector of pixels and the four channels this lane loads; those past the end repeat the last, and are not
    // written.
    let along = lane % BK;
    let across = lane / BK;
    let p = min(vector0 + along, vectors - 1u);
    let from_x = (p / wide * params.c + of_group * inner + across) * wide + p % wide;
    let w_m = lane / 4u;
    let w_k = lane % 4u * 4u;
    let rows = min(vec4<u32>(channel0 + 4u * w_m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(outer - 1u));
    let from_w = (first + rows) * inner + w_k;
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;

    // Channels 4·lane_m + 0…3 and 32 more, pixels 4·lane_n + 0…3 and 32 more.
    var low: array<vec4<f32>, 8>;    // first four pixels
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < inner + BK; k0 += BK) {
        // The tile from k0 on, 0 outside, for the next round: its reads wait while the tile before it is multiplied.
        var next_x: array<vec4<f32>, 4>;
        var next_w: array<vec4<f32>, 4>;
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            if (k0 + across + 4u * i < inner) { next_x[i] = x[from_x + (k0 + 4u * i) * wide]; }
            if (k0 + w_k < inner) { next_w[i] = weights(from_w[i] + k0); }
        }
        if (k0 > 0u) {
            for (var k = 0u; k < BK; k += 2u) {
                // @unroll
                for (var j = 0u; j < 2u; j++) {
                    let m0 = w_tile[(k + j) * ROW + lane_m];
                    let m1 = w_tile[(k + j) * ROW + lane_m + 8u];
                    let n0 = x_tile[(k + j) * ROW + lane_n];
                    let n1 = x_tile[(k + j) * ROW + lane_n + 8u];
                    // @unroll
                    for (var r = 0u; r < 4u; r++) {
                        low[r] += m0[r] * n0;
                        high[r] += m0[r] * n1;
                        low[r + 4u] += m1[r] * n0;
                        high[r + 4u] += m1[r] * n1;
                    }
                }
            }
        }
        workgroupBarrier();
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            x_tile[(across + 4u * i) * ROW + along] = next_x[i];
            w_tile[(w_k + i) * ROW + w_m] = vec4<f32>(next_w[0][i], next_w[1][i], next_w[2][i], next_w[3][i]);
        }
        workgroupBarrier();
    }
    let in_registers = ACTIVATION < IN_REGISTERS && ACTIVATION_OUT < IN_REGISTERS;
    // @unroll
    for (var h = 0u; h < 2u; h++) {
        let n = vector0 + lane_n + 8u * h;
        let at = (n / wide * params.o + first) * wide + n % wide;
        // @unroll
        for (var r = 0u; r < 8u; r++) {
            let acc = select(low[r], high[r], h == 1u);
            let m = channel0 + lane_m * 4u + r / 4u * 32u + r % 4u;
            if (!in_registers) {
                if (r < 4u) { w_tile[r * WG + lane] = acc; } else { x_tile[(r - 4u) * WG + lane] = acc; }
            } else if (m < outer && n < vectors) {
                y[at + m * wide] = finish_in_registers(acc, first + m, at + m * wide);
            }
        }
        // A lane's own sums, so that no barrier is needed.
        for (var r = 0u; r < 8u && !in_registers; r++) {
            let m = channel0 + lane_m * 4u + r / 4u * 32u + r % 4u;
            let own = r % 4u * WG + lane;
            if (m < outer && n < vectors) {
                y[at + m * wide] = finish(select(w_tile[own], x_tile[own], r >= 4u), first + m, at + m * wide);
            }
        }
    }
}

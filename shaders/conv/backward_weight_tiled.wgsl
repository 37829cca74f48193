// conv2d_backward_weight_tiled — conv2d_backward_weight for GPUs as an implicit matrix product: 64 channels of d_y ×
// 64 taps of x a workgroup and part of the pixels, 8 × 8 sums in registers a lane.
//
//   part[s,o,n]  = Σ_p d_y[b,o,i,j] · x[b, g·C/G + c(n), i·stride + u(n)·dilation − top, …]   n = (c·KH + u)·KW + v
//   d_w[o,n]     = Σ_s part[s,o,n]                                             p = (b·OH + i)·OW + j in part s
//
// Source    Chetlur et al. 2014, arXiv:1410.0759 (implicit matrix product)
// Shapes    x (B,C,H,W)  d_y (B,O,OH,OW)  →  d_w (O,C/G,KH,KW)
// Grid      one workgroup per part, group, 64 channels × 64 taps; then one invocation per element
// Numerics  f32 sums in the order of p, then of s
// Cost      reads 1/32 float a product; 2·B·O·OH·OW·(C/G)·KH·KW flops; 9.5 KiB of workgroup memory

// @import lib/grid
// @import lib/conv_backward_weight

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,H,W)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;          // (B,O,OH,OW)
@group(0) @binding(3) var<storage, read_write> d_w: array<f32>;    // (O,C/G,KH,KW)
@group(0) @binding(4) var<storage, read_write> part: array<f32>;   // (PARTS,O,C/G,KH,KW)

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts of the stores

var<workgroup> d_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), channels of d_y innermost
var<workgroup> x_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), taps innermost
var<workgroup> taps: array<vec4<u32>, TILE>;         // channel of x, row and column of the window, whether it exists

@compute @workgroup_size(WG)
fn conv2d_backward_weight_tiled_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let plane = params.oh * params.ow;
    let window = params.kh * params.kw;
    let columns = inner * window;
    let tiles_m = (outer + TILE - 1u) / TILE;
    let tiles_n = (columns + TILE - 1u) / TILE;
    var g = flat_group(group, groups);
    let tap0 = g % tiles_n * TILE;
    g /= tiles_n;
    let channel0 = g % tiles_m * TILE;
    g /= tiles_m;
    let of_group = g % params.groups;
    let s = g / params.groups;
    if (s >= params.parts) { return; }   // uniform: g is the workgroup's

    let tap = tap0 + lane;
    let offset_h = tap / params.kw % params.kh * params.dilation_h;
    let offset_w = tap % params.kw * params.dilation_w;
    taps[lane] = vec4<u32>(of_group * inner + tap / window, offset_h, offset_w, select(0u, 1u, tap < columns));
    workgroupBarrier();

    let along = lane % BK;
    let across = lane / BK;
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;
    let end = min((s + 1u) * params.chunk, params.batch * plane);

    // Channels 4·lane_m + 0…3 and 32 more, taps 4·lane_n + 0…3 and 32 more.
    var low: array<vec4<f32>, 8>;    // first four taps
    var high: array<vec4<f32>, 8>;   // the other four
    for (var p0 = s * params.chunk; p0 < end; p0 += BK) {
        let p = p0 + along;   // the pixel this lane loads
        let image = p / plane;
        let row = p % plane / params.ow * params.stride_h;
        let column = p % params.ow * params.stride_w;
        for (var e = 0u; e < 4u; e++) {
            let quad = across + 4u * e;
            var d = vec4<f32>();
            var n = vec4<f32>();
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                let channel = channel0 + 4u * quad + j;
                if (p < end && channel < outer) {
                    d[j] = d_y[(image * params.o + of_group * outer + channel) * plane + p % plane];
                }
                let t = taps[4u * quad + j];
                let r = row + t.y;
                let q = column + t.z;
                let here = inside(r, params.top, params.h) && inside(q, params.left, params.w_in);
                if (p < end && t.w == 1u && here) {
                    n[j] = x[((image * params.c + t.x) * params.h + r - params.top) * params.w_in + q - params.left];
                }
            }
            d_tile[along * ROW + quad] = d;
            x_tile[along * ROW + quad] = n;
        }
        workgroupBarrier();
        for (var k = 0u; k < BK; k++) {
            let m0 = d_tile[k * ROW + lane_m];
            let m1 = d_tile[k * ROW + lane_m + 8u];
            let n0 = x_tile[k * ROW + lane_n];
            let n1 = x_tile[k * ROW + lane_n + 8u];
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
    // @unroll
    for (var r = 0u; r < 8u; r++) {
        let channel = channel0 + lane_m * 4u + r / 4u * 32u + r % 4u;
        let out = (s * params.o + of_group * outer + channel) * columns + tap0 + 4u * lane_n;
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            if (channel < outer && tap0 + 4u * lane_n + j < columns) { part[out + j] = low[r][j]; }
            if (channel < outer && tap0 + 4u * lane_n + j + 32u < columns) { part[out + j + 32u] = high[r][j]; }
        }
    }
}

@compute @workgroup_size(WG)
fn conv2d_backward_weight_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    sum_parts(flat_group(group, groups) * WG + lane);
}

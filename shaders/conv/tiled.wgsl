// conv2d_tiled — conv2d for GPUs as an implicit matrix product: 64 channels × 64 pixels a workgroup, 8 × 8
// sums in registers a lane. The matrix of windows is never stored.
//
//   acc[o,p] = Σ_k w[o,k] · x[b(p), g·C/G + c(k), i(p)·stride + u(k)·dilation − top, …]   k = (c·KH + u)·KW + v
//   y        = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Source    Chetlur et al. 2014, arXiv:1410.0759 (implicit matrix product)
// Shapes    x (B,C,H,W)  w (O,C/G,KH,KW)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW); p over B·OH·OW
// Grid      one workgroup per 64 channels of a group × 64 pixels
// Numerics  f32 sums in the order of k
// Cost      reads 1/32 float a product; 2·B·O·OH·OW·(C/G)·KH·KW flops; 8.5 KiB of workgroup memory

// @import lib/grid
// @import lib/conv

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts of the stores

var<workgroup> w_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), channels innermost
var<workgroup> x_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), pixels innermost

// What tap k of the window sees of four pixels; 0 outside.
fn x_four(image: vec4<u32>, row: vec4<u32>, column: vec4<u32>, k: u32) -> vec4<f32> {
    var value = vec4<f32>();
    let window = params.kh * params.kw;
    let c = k / window;
    let r = row + k % window / params.kw * params.dilation_h;
    let q = column + k % params.kw * params.dilation_w;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (c < params.c / params.groups && r[j] >= params.top && q[j] >= params.left) {
            let rr = r[j] - params.top;
            let qq = q[j] - params.left;
            if (rr < params.h && qq < params.w_in) {
                value[j] = x[image[j] + (c * params.h + rr) * params.w_in + qq];
            }
        }
    }
    return value;
}

// Tap k of four channels of a group of `outer`; 0 outside. Tiles take whole vectors: WGSL lets a store to
// one component touch its neighbours, which other lanes own.
fn w_four(first: u32, channel: u32, outer: u32, k: u32) -> vec4<f32> {
    var value = vec4<f32>();
    let terms = params.c / params.groups * params.kh * params.kw;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (channel + j < outer && k < terms) { value[j] = weight((first + channel + j) * terms + k); }
    }
    return value;
}

@compute @workgroup_size(WG)
fn conv2d_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let plane = params.oh * params.ow;
    let terms = inner * params.kh * params.kw;
    let pixels = params.batch * plane;
    let tiles_o = (outer + TILE - 1u) / TILE;
    let tiles_p = (pixels + TILE - 1u) / TILE;
    let g = flat_group(group, groups);
    let of_group = g / tiles_p / tiles_o;
    if (of_group >= params.groups) { return; }   // uniform: g is the workgroup's
    let channel0 = g / tiles_p % tiles_o * TILE;
    let pixel0 = g % tiles_p * TILE;

    // The four pixels this lane loads; those past the end repeat the last and are not written.
    let along = lane % BK;
    let across = lane / BK;
    let p = min(vec4<u32>(pixel0 + 4u * along) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(pixels - 1u));
    let image = (p / plane * params.c + of_group * inner) * params.h * params.w_in;
    let row = p % plane / params.ow * params.stride_h;
    let column = p % params.ow * params.stride_w;
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;

    // Channels 4·lane_m + 0…3 and 32 more, pixels 4·lane_n + 0…3 and 32 more.
    var low: array<vec4<f32>, 8>;    // first four pixels
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < terms; k0 += BK) {
        for (var i = 0u; i < 4u; i++) {
            let k = across + 4u * i;
            x_tile[k * ROW + along] = x_four(image, row, column, k0 + k);
            w_tile[along * ROW + k] = w_four(of_group * outer, channel0 + 4u * k, outer, k0 + along);
        }
        workgroupBarrier();
        for (var k = 0u; k < BK; k++) {
            let m0 = w_tile[k * ROW + lane_m];
            let m1 = w_tile[k * ROW + lane_m + 8u];
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
    let corner_m = channel0 + lane_m * 4u;
    let corner_n = pixel0 + lane_n * 4u;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        let n = corner_n + j;
        let at = n / plane * params.o * plane + n % plane + of_group * outer * plane;
        let n2 = n + 32u;
        let at2 = n2 / plane * params.o * plane + n2 % plane + of_group * outer * plane;
        // @unroll
        for (var r = 0u; r < 8u; r++) {
            let m = corner_m + r / 4u * 32u + r % 4u;
            if (!EPILOGUE && m < outer && n < pixels) { y[at + m * plane] = low[r][j]; }
            if (!EPILOGUE && m < outer && n2 < pixels) { y[at2 + m * plane] = high[r][j]; }
        }
    }
    if (EPILOGUE) {
        var first = low;   // indexed by a loop, so that low and high themselves stay in registers
        var second = high;
        for (var e = 0u; e < 64u; e++) {
            let m = corner_m + e / 32u * 32u + e / 8u % 4u;
            let n = corner_n + e / 4u % 2u * 32u + e % 4u;
            if (m < outer && n < pixels) {
                let o = of_group * outer + m;
                let i = (n / plane * params.o + o) * plane + n % plane;
                let r = e / 32u * 4u + e / 8u % 4u;
                let sum = select(first[r][e % 4u], second[r][e % 4u], e / 4u % 2u == 1u);
                y[i] = finish(sum, o, i);
            }
        }
    }
}

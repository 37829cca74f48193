// The image that windows are spread over, for GPUs, as an implicit matrix product: a workgroup makes 64 channels × 64
// pixels of one phase of it, with 8 × 8 sums in registers a lane. Taps that do not reach the phase are no terms. The
// importing file declares w, `source(i)`, an element of the source, and `put(i, channel, v)`, which writes one of the
// image.
//
//   image[c,p] = Σ_k w[o(k), c, u(k), v(k)] · source[b(p), o(k), (r(p) + top − u(k)·dilation)/stride, …]
//   k          = (o·U + a)·V + b over the U·V taps that reach the phase: u = u₀ + a·step_h, v = v₀ + b·step_w

// @import lib/conv_backward_data

override STEP_H: u32;   // rows of the window from one tap that reaches a phase to the next
override STEP_W: u32;

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts of the stores

var<workgroup> w_tile: array<vec4<f32>, BK * ROW>;     // (BK, 64), channels innermost
var<workgroup> d_tile: array<vec4<f32>, BK * ROW>;     // (BK, 64), pixels innermost

// The taps of one axis that reach a phase: `count` from `first` on.
struct Taps { first: u32, count: u32 }

fn taps_of(at: u32, size: u32, stride: u32, dilation: u32, step: u32) -> Taps {
    var first = 0u;
    while (first < min(size, step) && !reaches(at, first * dilation, stride)) { first++; }
    if (first >= min(size, step)) { return Taps(0u, 0u); }
    return Taps(first, (size - 1u - first) / step + 1u);
}

fn spread(workgroup: u32, lane: u32) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let plane = params.oh * params.ow;
    let window = params.kh * params.kw;
    let phases_h = phases(params.h, params.stride_h);
    let phases_w = phases(params.w_in, params.stride_w);
    let most = params.batch * rows_of(params.h, params.stride_h, 0u) * rows_of(params.w_in, params.stride_w, 0u);
    let tiles_c = (inner + TILE - 1u) / TILE;
    let tiles_p = (most + TILE - 1u) / TILE;
    var g = workgroup;
    let pixel0 = g % tiles_p * TILE;
    g /= tiles_p;
    let channel0 = g % tiles_c * TILE;
    g /= tiles_c;
    let phase_w = g % phases_w;
    g /= phases_w;
    let phase_h = g % phases_h;
    let of_group = g / phases_h;
    let rows = rows_of(params.h, params.stride_h, phase_h);
    let columns = rows_of(params.w_in, params.stride_w, phase_w);
    let pixels = params.batch * rows * columns;
    if (of_group >= params.groups || pixel0 >= pixels) { return; }   // uniform: g is the workgroup's

    let at_h = phase_h + params.top;
    let at_w = phase_w + params.left;
    let us = taps_of(at_h, params.kh, params.stride_h, params.dilation_h, STEP_H);
    let vs = taps_of(at_w, params.kw, params.stride_w, params.dilation_w, STEP_W);
    let reaching = us.count * vs.count;
    let terms = outer * reaching;

    // The four pixels this lane loads; those past the end repeat the last and are not written.
    let along = lane % BK;
    let across = lane / BK;
    let p = min(vec4<u32>(pixel0 + 4u * along) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(pixels - 1u));
    let image = (p / (rows * columns) * params.o + of_group * outer) * plane;
    let row = vec4<i32>(p / columns % rows);
    let column = vec4<i32>(p % columns);
    let lane_m = lane / 8u;
    let lane_n = lane % 8u;

    // Channels 4·lane_m + 0…3 and 32 more, pixels 4·lane_n + 0…3 and 32 more.
    var low: array<vec4<f32>, 8>;    // first four pixels
    var high: array<vec4<f32>, 8>;   // the other four
    for (var k0 = 0u; k0 < terms; k0 += BK) {
        for (var e = 0u; e < 4u; e++) {
            // Tap k of the source for the lane's pixels, 0 outside.
            let k = k0 + across + 4u * e;
            let u = (us.first + k % reaching / vs.count * STEP_H) * params.dilation_h;
            let v = (vs.first + k % vs.count * STEP_W) * params.dilation_w;
            let i = row + windows_back(at_h, u, params.stride_h);
            let j = column + windows_back(at_w, v, params.stride_w);
            var value = vec4<f32>();
            // @unroll
            for (var n = 0u; n < 4u; n++) {
                if (k < terms && i[n] >= 0 && i[n] < i32(params.oh) && j[n] >= 0 && j[n] < i32(params.ow)) {
                    value[n] = source(image[n] + k / reaching * plane + u32(i[n]) * params.ow + u32(j[n]));
                }
            }
            d_tile[(across + 4u * e) * ROW + along] = value;
            // Tap k0 + along of four channels, 0 outside.
            let t = k0 + along;
            let tap = (us.first + t % reaching / vs.count * STEP_H) * params.kw + vs.first + t % vs.count * STEP_W;
            let channel = channel0 + 4u * (across + 4u * e);
            var four = vec4<f32>();
            // @unroll
            for (var m = 0u; m < 4u; m++) {
                if (t < terms && channel + m < inner) {
                    four[m] = weight(((of_group * outer + t / reaching) * inner + channel + m) * window + tap);
                }
            }
            w_tile[along * ROW + across + 4u * e] = four;
        }
        workgroupBarrier();
        for (var k = 0u; k < BK; k++) {
            let m0 = w_tile[k * ROW + lane_m];
            let m1 = w_tile[k * ROW + lane_m + 8u];
            let n0 = d_tile[k * ROW + lane_n];
            let n1 = d_tile[k * ROW + lane_n + 8u];
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
    let size = params.h * params.w_in;
    for (var e = 0u; e < 8u; e++) {
        let n = pixel0 + lane_n * 4u + e / 4u * 32u + e % 4u;
        if (n >= pixels) { continue; }
        let r = n / columns % rows * params.stride_h + phase_h;
        let q = n % columns * params.stride_w + phase_w;
        let at = (n / (rows * columns) * params.c + of_group * inner) * size + r * params.w_in + q;
        // @unroll
        for (var m = 0u; m < 8u; m++) {
            let channel = channel0 + lane_m * 4u + m / 4u * 32u + m % 4u;
            let value = select(low[m][e % 4u], high[m][e % 4u], e >= 4u);
            if (channel < inner) { put(at + channel * size, of_group * inner + channel, value); }
        }
    }
}

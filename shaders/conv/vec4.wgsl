// conv2d_vec4 — conv2d for CPU adapters with stride 1 along rows: x is read in vectors of four, each used
// for all taps of a row of the window.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u·dilation − top, j + v − PAD]
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Shapes    x (B,C,H,W) with W a multiple of 4  w (O,C/G,KH,KW) with KW ≤ 5  b (O)  →  y (B,O,OH,OW)
// Grid      a lane owns CHANNELS channels × 4 neighbours of a row of y; a workgroup one block of channels,
//           so that w is read at addresses all lanes share
// Numerics  f32 sums in the order c, u, v
// Cost      reads 12/(4·KW·CHANNELS) floats of x a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;    // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)

override CHANNELS: u32;   // 1, 2, 4, 8 or 16 channels a lane
override KW: u32;         // up to 5
override PAD: u32;        // zeros at the left, up to 4; KW − 1 − PAD is up to 4 too

const WG = 32u;

@compute @workgroup_size(WG)
fn conv2d_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.ow + 3u) / 4u;
    let strip_blocks = (params.oh * strips + WG - 1u) / WG;
    let channel_blocks = (outer + CHANNELS - 1u) / CHANNELS;
    let g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    let channel = g / strip_blocks % channel_blocks * CHANNELS;
    let of_group = g / strip_blocks / channel_blocks % params.groups;
    let image = g / strip_blocks / channel_blocks / params.groups;
    if (image >= params.batch || strip >= params.oh * strips) { return; }
    let s = strip % strips;   // vector of the row
    let row = strip / strips;
    let o = of_group * outer + channel;
    let first = image * params.c + of_group * inner;

    // Channels past the end repeat the last one and are not written.
    let window = params.kh * params.kw;
    let wide = params.w_in / 4u;
    var taps: array<u32, 16>;
    var acc: array<vec4<f32>, 16>;
    // @unroll
    for (var r = 0u; r < 16u; r++) { taps[r] = (o + min(r, outer - 1u - channel)) * inner * window; }

    var t: array<f32, 12>;   // columns 4·s − 4 … 4·s + 7 of a row of x
    for (var c = 0u; c < inner; c++) {
        for (var u = 0u; u < params.kh; u++) {
            let at = row * params.stride_h + u * params.dilation_h;
            let known = at >= params.top && at - min(at, params.top) < params.h;
            let line = select(0u, ((first + c) * params.h + at - min(at, params.top)) * wide, known);
            if (PAD > 0u) {
                let here = known && s > 0u && s <= wide;
                let p = select(vec4<f32>(0.0), x[select(line, line + s - 1u, here)], here);
                t[0] = p.x; t[1] = p.y; t[2] = p.z; t[3] = p.w;
            }
            let here = known && s < wide;
            let p = select(vec4<f32>(0.0), x[select(line, line + s, here)], here);
            t[4] = p.x; t[5] = p.y; t[6] = p.z; t[7] = p.w;
            if (KW > PAD + 1u) {
                let there = known && s + 1u < wide;
                let q = select(vec4<f32>(0.0), x[select(line, line + s + 1u, there)], there);
                t[8] = q.x; t[9] = q.y; t[10] = q.z; t[11] = q.w;
            }
            let tap = c * window + u * params.kw;
            // @unroll
            for (var v = 0u; v < 5u; v++) {
                if (v < KW) {
                    let i = 4u + v - min(PAD, 4u + v);
                    let n = vec4<f32>(t[i], t[i + 1u], t[i + 2u], t[i + 3u]);
                    // @unroll
                    for (var r = 0u; r < 16u; r++) {
                        if (r < CHANNELS) { acc[r] += weight(taps[r] + tap + v) * n; }
                    }
                }
            }
        }
    }
    let plane = params.oh * params.ow;
    let out = ((image * params.o + o) * params.oh + row) * params.ow + 4u * s;
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        if (r < CHANNELS && channel + r < outer) {
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                if (4u * s + j < params.ow) { y[out + r * plane + j] = acc[r][j]; }
            }
        }
    }
    if (EPILOGUE) {
        for (var r = 0u; r < CHANNELS && channel + r < outer; r++) {
            for (var j = 0u; j < 4u && 4u * s + j < params.ow; j++) {
                let i = out + r * plane + j;
                y[i] = finish(y[i], o + r, i);
            }
        }
    }
}

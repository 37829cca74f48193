// conv2d_vec4 — conv2d for CPU adapters with stride 1 along rows: x is read in vectors of four, each used
// for all taps of a row of the window.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u·dilation − top, j + v − PAD]
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Shapes    x (B,C,H,W) with W a multiple of 4  w (O,C/G,KH,KW) with KW ≤ 5  b (O)  →  y (B,O,OH,OW)
// Grid      a lane owns 4·QUADS channels × 4·VECTORS neighbours of a row of y; a workgroup one block of channels,
//           so that weights are read at addresses all lanes share
// Numerics  f32 sums in the order c, u, v
// Cost      reads (2 + VECTORS)/(KW·4·QUADS·VECTORS) floats of x and 1/(4·VECTORS) of w a product;
//           2·B·O·OH·OW·(C/G)·KH·KW flops
// Tried     what a load costs decides, so 8 neighbours a lane in place of 4: on llvmpipe, Mesa 22.3.6, two busy cores,
//           as a multiple of conv2d_direct side by side: conv2d/f32/1x64x56x56/64x3x3 1.66 (4 neighbours 1.24),
//           1x64x56x56/256x1x1 2.1 (1.45), 1x128x32x32/128x3x3 1.7 (1.25), 2026-11

// @import lib/grid
// @import lib/conv
// @import lib/conv_pack

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;    // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)
@group(0) @binding(6) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈O/G/4/QUADS⌉,taps,QUADS)

override QUADS: u32;   // 1, 2 or 4 times four channels a lane
override KW: u32;         // up to 5
override PAD: u32;        // zeros at the left, up to 4; KW − 1 − PAD is up to 4 too
override VECTORS: u32;    // 1 or 2 times four neighbours a lane

const WG = 32u;

@compute @workgroup_size(WG)
fn conv2d_vec4_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.ow + 4u * VECTORS - 1u) / (4u * VECTORS);
    let strip_blocks = (params.oh * strips + WG - 1u) / WG;
    let channel_blocks = blocks_of_group();
    let g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    let block = g / strip_blocks % channel_blocks;
    let channel = block * 4u * QUADS;
    let of_group = g / strip_blocks / channel_blocks % params.groups;
    let image = g / strip_blocks / channel_blocks / params.groups;
    if (image >= params.batch || strip >= params.oh * strips) { return; }
    let s = strip % strips * VECTORS;   // first vector of the row
    let row = strip / strips;
    let o = of_group * outer + channel;
    let first = image * params.c + of_group * inner;

    let wide = params.w_in / 4u;
    var tap = (of_group * channel_blocks + block) * inner * params.kh * params.kw * QUADS;
    var acc: array<vec4<f32>, 32>;   // channels of the first vector, then of the second
    var t: array<f32, 16>;   // columns 4·s − 4 … 4·s + 11 of a row of x
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
            if (VECTORS == 2u || KW > PAD + 1u) {
                let there = known && s + 1u < wide;
                let q = select(vec4<f32>(0.0), x[select(line, line + s + 1u, there)], there);
                t[8] = q.x; t[9] = q.y; t[10] = q.z; t[11] = q.w;
            }
            if (VECTORS == 2u && KW > PAD + 1u) {
                let there = known && s + 2u < wide;
                let q = select(vec4<f32>(0.0), x[select(line, line + s + 2u, there)], there);
                t[12] = q.x; t[13] = q.y; t[14] = q.z; t[15] = q.w;
            }
            // @unroll
            for (var v = 0u; v < 5u; v++) {
                if (v < KW) {
                    let i = 4u + v - min(PAD, 4u + v);
                    let n = vec4<f32>(t[i], t[i + 1u], t[i + 2u], t[i + 3u]);
                    let e = vec4<f32>(t[i + 4u], t[i + 5u], t[i + 6u], t[i + 7u]);
                    // @unroll
                    for (var m = 0u; m < 4u; m++) {
                        if (m < QUADS) {
                            let f = packed[tap + m];
                            acc[4u * m] += f.x * n; acc[4u * m + 1u] += f.y * n;
                            acc[4u * m + 2u] += f.z * n; acc[4u * m + 3u] += f.w * n;
                            if (VECTORS == 2u) {
                                acc[16u + 4u * m] += f.x * e; acc[17u + 4u * m] += f.y * e;
                                acc[18u + 4u * m] += f.z * e; acc[19u + 4u * m] += f.w * e;
                            }
                        }
                    }
                    tap += QUADS;
                }
            }
        }
    }
    let plane = params.oh * params.ow;
    let out = ((image * params.o + o) * params.oh + row) * params.ow + 4u * s;
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        if (!EPILOGUE && r < 4u * QUADS && channel + r < outer) {
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                if (4u * s + j < params.ow) { y[out + r * plane + j] = acc[r][j]; }
                if (VECTORS == 2u && 4u * s + 4u + j < params.ow) { y[out + r * plane + 4u + j] = acc[16u + r][j]; }
            }
        }
    }
    if (EPILOGUE) {
        var sums = acc;   // indexed by a loop, so that acc itself stays in registers
        for (var r = 0u; r < 4u * QUADS && channel + r < outer; r++) {
            for (var j = 0u; j < 4u * VECTORS && 4u * s + j < params.ow; j++) {
                let i = out + r * plane + j;
                y[i] = finish(sums[16u * (j / 4u) + r][j % 4u], o + r, i);
            }
        }
    }
}

// conv2d_backward_data_vec4 — conv2d_backward_data for CPU adapters at stride 1 and dilation 1: d_y is read in
// vectors of four, each used for all taps of a row of the window.
//
//   d_x[b, g·C/G + c, r, q] = Σ_{o,u,v} d_y[b, o, r + top − u, q + PAD − v′] · w[o,c,u,v]    v = KW − 1 − v′
//
// Shapes    d_y (B,O,OH,OW) with OW a multiple of 4  w (O,C/G,KH,KW) with KW ≤ 5  →  d_x (B,C,H,W)
// Grid      a lane owns 4·QUADS channels × 4 neighbours of a row of d_x; a workgroup one block of channels, so that
//           weights are read at addresses all lanes share
// Numerics  f32 sums in the order o, u, and v from the last to the first
// Cost      reads 3/(KW·4·QUADS) floats of d_y a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv_backward_data

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<vec4<f32>>;   // (B,O,OH,OW)
@group(0) @binding(2) var<storage, read> w: array<u32>;           // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (B,C,H,W)
@group(0) @binding(4) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈C/G/4/QUADS⌉,O/G,KH,KW,QUADS)

override QUADS: u32;   // 1, 2 or 4 times four channels a lane
override KW: u32;      // up to 5
override PAD: u32;     // KW − 1 less the zeros at the left of x, up to 4; the zeros are up to 4 too

const WG = 32u;

fn blocks_of_group() -> u32 {
    return (params.c / params.groups + 4u * QUADS - 1u) / (4u * QUADS);
}

// Weights with channels of x innermost, columns of the window backwards: channels past the end of a group are 0.
@compute @workgroup_size(WG)
fn conv2d_backward_data_vec4_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let window = params.kh * KW;
    let back = i / QUADS % KW;
    let u = i / QUADS / KW % params.kh;
    let o = i / QUADS / window % outer;
    let block = i / QUADS / window / outer;
    let of_group = block / blocks_of_group();
    if (of_group >= params.groups) { return; }
    let channel = (block % blocks_of_group() * QUADS + i % QUADS) * 4u;
    let first = ((of_group * outer + o) * inner + channel) * window + u * KW + (KW - 1u - back);
    var v = vec4<f32>();
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (channel + j < inner) { v[j] = weight(first + j * window); }
    }
    packed[i] = v;
}

@compute @workgroup_size(WG)
fn conv2d_backward_data_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.w_in + 3u) / 4u;
    let strip_blocks = (params.h * strips + WG - 1u) / WG;
    let channel_blocks = blocks_of_group();
    let g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    let block = g / strip_blocks % channel_blocks;
    let channel = block * 4u * QUADS;
    let of_group = g / strip_blocks / channel_blocks % params.groups;
    let image = g / strip_blocks / channel_blocks / params.groups;
    if (image >= params.batch || strip >= params.h * strips) { return; }
    let s = strip % strips;   // vector of the row
    let row = strip / strips;
    let first = image * params.o + of_group * outer;

    let wide = params.ow / 4u;
    var tap = (of_group * channel_blocks + block) * outer * params.kh * KW * QUADS;
    var acc: array<vec4<f32>, 16>;
    var t: array<f32, 12>;   // columns 4·s − 4 … 4·s + 7 of a row of d_y
    for (var o = 0u; o < outer; o++) {
        for (var u = 0u; u < params.kh; u++) {
            let at = row + params.top;
            let known = at >= u && at - min(at, u) < params.oh;
            let line = select(0u, ((first + o) * params.oh + at - min(at, u)) * wide, known);
            if (PAD > 0u) {
                let here = known && s > 0u && s <= wide;
                let p = select(vec4<f32>(), d_y[select(line, line + s - 1u, here)], here);
                t[0] = p.x; t[1] = p.y; t[2] = p.z; t[3] = p.w;
            }
            let here = known && s < wide;
            let p = select(vec4<f32>(), d_y[select(line, line + s, here)], here);
            t[4] = p.x; t[5] = p.y; t[6] = p.z; t[7] = p.w;
            if (KW > PAD + 1u) {
                let there = known && s + 1u < wide;
                let q = select(vec4<f32>(), d_y[select(line, line + s + 1u, there)], there);
                t[8] = q.x; t[9] = q.y; t[10] = q.z; t[11] = q.w;
            }
            // @unroll
            for (var v = 0u; v < 5u; v++) {
                if (v < KW) {
                    let i = 4u + v - min(PAD, 4u + v);
                    let n = vec4<f32>(t[i], t[i + 1u], t[i + 2u], t[i + 3u]);
                    // @unroll
                    for (var m = 0u; m < 4u; m++) {
                        if (m < QUADS) {
                            let f = packed[tap + m];
                            acc[4u * m] += f.x * n; acc[4u * m + 1u] += f.y * n;
                            acc[4u * m + 2u] += f.z * n; acc[4u * m + 3u] += f.w * n;
                        }
                    }
                    tap += QUADS;
                }
            }
        }
    }
    let plane = params.h * params.w_in;
    let out = ((image * params.c + of_group * inner + channel) * params.h + row) * params.w_in + 4u * s;
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        if (r < 4u * QUADS && channel + r < inner) {
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                if (4u * s + j < params.w_in) { d_x[out + r * plane + j] = acc[r][j]; }
            }
        }
    }
}

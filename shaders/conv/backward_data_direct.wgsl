// conv2d_backward_data_direct — conv2d_backward_data for CPU adapters: no workgroup memory, no barrier, weights
// packed first.
//
//   d_x[b, g·C/G + c, r, q] = Σ_{u,v,o} d_y[b, o, (r + top − u·dilation)/stride, …] · w[o,c,u,v]
//
// Shapes    d_y (B,O,OH,OW)  w (O,C/G,KH,KW)  →  d_x (B,C,H,W)
// Grid      a lane owns 4·QUADS channels × 4 columns of d_x one stride apart, which see neighbours of d_y; a
//           workgroup one block of channels and one phase, so that its lanes share all weights and skip the same taps
// Numerics  f32 sums in the order u, v, o
// Cost      reads 1/(4·QUADS) float of d_y a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv_backward_data

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (B,O,OH,OW)
@group(0) @binding(2) var<storage, read> w: array<u32>;           // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (B,C,H,W)
@group(0) @binding(4) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈C/G/4/QUADS⌉,KH,KW,O/G,QUADS)

override QUADS: u32;   // 1, 2 or 4 times four channels a lane

const WG = 32u;

fn blocks_of_group() -> u32 {
    return (params.c / params.groups + 4u * QUADS - 1u) / (4u * QUADS);
}

// Weights with channels of x innermost: those past the end of a group are 0.
@compute @workgroup_size(WG)
fn conv2d_backward_data_direct_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let window = params.kh * params.kw;
    let o = i / QUADS % outer;
    let tap = i / QUADS / outer % window;
    let block = i / QUADS / outer / window;
    let of_group = block / blocks_of_group();
    if (of_group >= params.groups) { return; }
    let channel = (block % blocks_of_group() * QUADS + i % QUADS) * 4u;
    var v = vec4<f32>();
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (channel + j < inner) { v[j] = weight(((of_group * outer + o) * inner + channel + j) * window + tap); }
    }
    packed[i] = v;
}

@compute @workgroup_size(WG)
fn conv2d_backward_data_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let phases_h = phases(params.h, params.stride_h);
    let phases_w = phases(params.w_in, params.stride_w);
    let strips = (rows_of(params.w_in, params.stride_w, 0u) + 3u) / 4u;
    let strip_blocks = (rows_of(params.h, params.stride_h, 0u) * strips + WG - 1u) / WG;
    let channel_blocks = blocks_of_group();
    var g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    g /= strip_blocks;
    let phase_w = g % phases_w;
    g /= phases_w;
    let phase_h = g % phases_h;
    g /= phases_h;
    let block = g % channel_blocks;
    let of_group = g / channel_blocks % params.groups;
    let image = g / channel_blocks / params.groups;
    let column = strip % strips * 4u;   // in steps of a stride, from the phase on
    let row = strip / strips;
    let rows = rows_of(params.h, params.stride_h, phase_h);
    let columns = rows_of(params.w_in, params.stride_w, phase_w);
    if (image >= params.batch || row >= rows || column >= columns) { return; }

    let plane = params.oh * params.ow;
    let first = (image * params.o + of_group * outer) * plane;
    var tap = (of_group * channel_blocks + block) * params.kh * params.kw * outer * QUADS;
    var acc: array<vec4<f32>, 16>;
    for (var u = 0u; u < params.kh; u++) {
        let at_h = phase_h + params.top;
        let i = i32(row) + windows_back(at_h, u * params.dilation_h, params.stride_h);
        let known = i >= 0 && i < i32(params.oh);
        let line = select(0u, u32(i) * params.ow, known);
        for (var v = 0u; v < params.kw; v++) {
            let at_w = phase_w + params.left;
            if (!reaches(at_h, u * params.dilation_h, params.stride_h)
                || !reaches(at_w, v * params.dilation_w, params.stride_w)) {
                tap += outer * QUADS;
                continue;
            }
            let j = vec4<i32>(i32(column) + windows_back(at_w, v * params.dilation_w, params.stride_w))
                + vec4<i32>(0, 1, 2, 3);
            let here = (j >= vec4<i32>()) & (j < vec4<i32>(i32(params.ow))) & vec4<bool>(known);
            var read_at = first + select(vec4<u32>(), line + vec4<u32>(j), here);
            for (var o = 0u; o < outer; o++) {
                let p = select(vec4<f32>(), vec4<f32>(d_y[read_at.x], d_y[read_at.y], d_y[read_at.z], d_y[read_at.w]), here);
                // @unroll
                for (var m = 0u; m < 4u; m++) {
                    if (m < QUADS) {
                        let f = packed[tap + m];
                        acc[4u * m] += f.x * p; acc[4u * m + 1u] += f.y * p;
                        acc[4u * m + 2u] += f.z * p; acc[4u * m + 3u] += f.w * p;
                    }
                }
                tap += QUADS;
                read_at += vec4<u32>(plane);
            }
        }
    }
    let channel = block * 4u * QUADS;
    let r = row * params.stride_h + phase_h;
    let q = column * params.stride_w + phase_w;
    let out = ((image * params.c + of_group * inner + channel) * params.h + r) * params.w_in + q;
    // @unroll
    for (var m = 0u; m < 16u; m++) {
        if (m < 4u * QUADS && channel + m < inner) {
            // @unroll
            for (var k = 0u; k < 4u; k++) {
                if (column + k < columns) {
                    d_x[out + m * params.h * params.w_in + k * params.stride_w] = acc[m][k];
                }
            }
        }
    }
}

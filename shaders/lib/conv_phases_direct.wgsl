// The image that windows are spread over, for CPU adapters: no workgroup memory, no barrier, weights packed first. A
// workgroup makes one phase of it, a lane 4·QUADS channels × 4 columns one stride apart, which see neighbours of the
// source. The importing file declares w, packed, `source(i)`, an element of the source, and `put(i, channel, v)`, which
// writes one of the image.

// @import lib/conv_backward_data

override QUADS: u32;   // 1, 2 or 4 times four channels a lane

const WG = 32u;

fn blocks_of_group() -> u32 {
    return (params.c / params.groups + 4u * QUADS - 1u) / (4u * QUADS);
}

// Writes vector i of `packed`: channels innermost; those past the end of a group are 0.
fn pack(i: u32) {
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

fn spread(workgroup: u32, lane: u32) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let phases_h = phases(params.h, params.stride_h);
    let phases_w = phases(params.w_in, params.stride_w);
    let strips = (rows_of(params.w_in, params.stride_w, 0u) + 3u) / 4u;
    let strip_blocks = (rows_of(params.h, params.stride_h, 0u) * strips + WG - 1u) / WG;
    let channel_blocks = blocks_of_group();
    var g = workgroup;
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
            var seen = first + select(vec4<u32>(), line + vec4<u32>(j), here);
            for (var o = 0u; o < outer; o++) {
                let near = vec4<f32>(source(seen.x), source(seen.y), source(seen.z), source(seen.w));
                let p = select(vec4<f32>(), near, here);
                // @unroll
                for (var m = 0u; m < 4u; m++) {
                    if (m < QUADS) {
                        let f = packed[tap + m];
                        acc[4u * m] += f.x * p; acc[4u * m + 1u] += f.y * p;
                        acc[4u * m + 2u] += f.z * p; acc[4u * m + 3u] += f.w * p;
                    }
                }
                tap += QUADS;
                seen += vec4<u32>(plane);
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
                    let i = out + m * params.h * params.w_in + k * params.stride_w;
                    put(i, of_group * inner + channel + m, acc[m][k]);
                }
            }
        }
    }
}

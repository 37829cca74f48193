// conv2d_backward_weight_direct — conv2d_backward_weight for CPU adapters: no workgroup memory, no barrier.
//
//   part[s,o,c,u,v] = Σ_p d_y[b,o,i,j] · x[b, g·C/G + c, i·stride + u·dilation − top, …]   p = (b·OH + i)·OW + j in part s
//   d_w[o,c,u,v]    = Σ_s part[s,o,c,u,v]
//
// Shapes    x (B,C,H,W)  d_y (B,O,OH,OW)  →  d_w (O,C/G,KH,KW)
// Grid      a lane owns 4·QUADS channels of d_y × one tap of 4 channels of x; a workgroup one block of channels of d_y
//           and one part, so that d_y is read at addresses all lanes share. Then one invocation per element
// Numerics  f32 sums in the order of p, then of s
// Cost      reads 1/4 + 1/(4·QUADS) float a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv_backward_weight

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,H,W)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;          // (B,O,OH,OW)
@group(0) @binding(3) var<storage, read_write> d_w: array<f32>;    // (O,C/G,KH,KW)
@group(0) @binding(4) var<storage, read_write> part: array<f32>;   // (PARTS,O,C/G,KH,KW)

override QUADS: u32;   // 1, 2 or 4 times four channels of d_y a lane

const WG = 32u;

@compute @workgroup_size(WG)
fn conv2d_backward_weight_direct_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let plane = params.oh * params.ow;
    let size = params.h * params.w_in;
    let window = params.kh * params.kw;
    let lanes = (inner + 3u) / 4u * window;
    let lane_blocks = (lanes + WG - 1u) / WG;
    let channel_blocks = (outer + 4u * QUADS - 1u) / (4u * QUADS);
    let g = flat_group(group, groups);
    let tap = g % lane_blocks * WG + lane;
    let channel = g / lane_blocks % channel_blocks * 4u * QUADS;
    let of_group = g / lane_blocks / channel_blocks % params.groups;
    let s = g / lane_blocks / channel_blocks / params.groups;
    if (s >= params.parts || tap >= lanes) { return; }
    let u = tap / params.kw % params.kh * params.dilation_h;
    let v = tap % params.kw * params.dilation_w;
    let c = tap / window * 4u;
    // Channels past the end of a group repeat the last and are not written.
    let last = vec4<u32>(inner - 1u);
    let of_x = (of_group * inner + min(vec4<u32>(c) + vec4<u32>(0u, 1u, 2u, 3u), last)) * size;
    let o = of_group * outer + channel;

    var acc: array<vec4<f32>, 16>;
    let end = min((s + 1u) * params.chunk, params.batch * plane);
    var p = s * params.chunk;
    while (p < end) {
        // The part's pixels of one row.
        let image = p / plane;
        let column = p % params.ow;
        let stop = min(end, p - column + params.ow);
        let row = p % plane / params.ow * params.stride_h + u;
        let known = inside(row, params.top, params.h);
        let line = image * params.c * size + select(0u, (row - min(row, params.top)) * params.w_in, known);
        var q = column * params.stride_w + v;
        var read_at = (image * params.o + o) * plane + p % plane;
        for (; p < stop; p++) {
            let here = known && inside(q, params.left, params.w_in);
            let i = of_x + vec4<u32>(line + select(0u, q - min(q, params.left), here));
            let n = select(vec4<f32>(), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), vec4<bool>(here));
            // @unroll
            for (var m = 0u; m < 16u; m++) {
                if (m < 4u * QUADS) { acc[m] += d_y[read_at + min(m, outer - 1u - channel) * plane] * n; }
            }
            q += params.stride_w;
            read_at++;
        }
    }
    let out = ((s * params.o + o) * inner + c) * window + tap % window;
    // @unroll
    for (var m = 0u; m < 16u; m++) {
        if (m < 4u * QUADS && channel + m < outer) {
            // @unroll
            for (var k = 0u; k < 4u; k++) {
                if (c + k < inner) { part[out + (m * inner + k) * window] = acc[m][k]; }
            }
        }
    }
}

@compute @workgroup_size(WG)
fn conv2d_backward_weight_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    sum_parts(flat_group(group, groups) * WG + lane);
}

// conv2d_backward_data — the gradient of conv2d with respect to its image.
//
//   d_x[b, g·C/G + c, r, q] = Σ_{u,v,o} d_y[b, o, (r + top − u·dilation)/stride, …] · w[o,c,u,v]
//
// over the taps whose quotients are whole and inside d_y, and the channels o of group g. Every element gathers,
// none scatters, and no zero is inserted.
//
// Source    Dumoulin, Visin 2016, arXiv:1603.07285, ch. 4 (the adjoint of PyTorch F.conv2d)
// Shapes    d_y (B,O,OH,OW)  w (O,C/G,KH,KW)  →  d_x (B,C,H,W)
// Grid      one invocation per element of d_x
// Numerics  f32 sum in the order u, v, o
// Cost      2·B·O·OH·OW·(C/G)·KH·KW flops, as many floats through the caches

// @import lib/grid
// @import lib/conv_backward_data

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (B,O,OH,OW)
@group(0) @binding(2) var<storage, read> w: array<u32>;           // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (B,C,H,W)

const WG = 64u;

@compute @workgroup_size(WG)
fn conv2d_backward_data(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    if (at >= params.batch * params.c * params.h * params.w_in) { return; }
    let column = at % params.w_in + params.left;
    let row = at / params.w_in % params.h + params.top;
    let channel = at / params.w_in / params.h % params.c;
    let image = at / params.w_in / params.h / params.c;
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let first = channel / inner * outer;
    let plane = params.oh * params.ow;
    let terms = inner * params.kh * params.kw;

    var acc = 0.0;
    for (var u = 0u; u < params.kh; u++) {
        let i = windows_back(row, u * params.dilation_h, params.stride_h);
        let whole = reaches(row, u * params.dilation_h, params.stride_h);
        if (!whole || i < 0 || i >= i32(params.oh)) { continue; }
        for (var v = 0u; v < params.kw; v++) {
            let j = windows_back(column, v * params.dilation_w, params.stride_w);
            let known = reaches(column, v * params.dilation_w, params.stride_w);
            if (!known || j < 0 || j >= i32(params.ow)) { continue; }
            let read_at = (image * params.o + first) * plane + u32(i) * params.ow + u32(j);
            let tap = first * terms + (channel % inner * params.kh + u) * params.kw + v;
            for (var o = 0u; o < outer; o++) { acc += d_y[read_at + o * plane] * weight(tap + o * terms); }
        }
    }
    d_x[at] = acc;
}

// conv_transpose2d — spread windows of weights over a larger image.
//
//   y[b,o,i,j] = b[o] + Σ_{u,v,c} x[b, g·C/G + c, (i + top − u·dilation)/stride, …] · w[g·C/G + c, o − g·O/G, u, v]
//
// over the taps whose quotient is whole and inside x; g the group of o. Every output gathers, none scatters.
//
// Source    PyTorch F.conv_transpose2d; Dumoulin, Visin 2016, arXiv:1603.07285, ch. 4
// Shapes    x (B,C,H,W)  w (C,O/G,KH,KW)  b (O)  →  y (B,O,OH,OW)
// Grid      one invocation per element of y
// Numerics  f32 sum in the order u, v, c
// Cost      2·B·C·H·W·(O/G)·KH·KW flops, as many floats through the caches

// @import lib/grid

struct Params {
    batch: u32, c: u32, h: u32, w_in: u32,
    o: u32, oh: u32, ow: u32, kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, top: u32, left: u32, dilation_h: u32, dilation_w: u32, groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;         // (C,O/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;         // (O), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;   // (B,O,OH,OW)

override HAS_B: bool;
override W_F16: bool;

const WG = 64u;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

@compute @workgroup_size(WG)
fn conv_transpose2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.batch * params.o * params.oh * params.ow) { return; }
    let column = i % params.ow + params.left;
    let row = i / params.ow % params.oh + params.top;
    let plane = i / params.ow / params.oh;
    let o = plane % params.o;
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let first = o / outer * inner;
    let image = plane / params.o * params.c + first;
    let size = params.h * params.w_in;
    let window = params.kh * params.kw;

    var acc = 0.0;
    for (var u = 0u; u < params.kh; u++) {
        let r = row - min(row, u * params.dilation_h);
        if (row < u * params.dilation_h || r % params.stride_h != 0u || r / params.stride_h >= params.h) { continue; }
        for (var v = 0u; v < params.kw; v++) {
            let q = column - min(column, v * params.dilation_w);
            if (column < v * params.dilation_w || q % params.stride_w != 0u || q / params.stride_w >= params.w_in) {
                continue;
            }
            let at = image * size + r / params.stride_h * params.w_in + q / params.stride_w;
            let tap = (first * outer + o % outer) * window + u * params.kw + v;
            for (var c = 0u; c < inner; c++) {
                acc += x[at + c * size] * weight(tap + c * outer * window);
            }
        }
    }
    if (HAS_B) { acc += b[o]; }
    y[i] = acc;
}

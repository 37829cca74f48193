// conv2d_depthwise — conv2d for groups of one or two output channels: nothing to share between channels.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u·dilation − top, …]
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Shapes    x (B,C,H,W)  w (O,C/G,KH,KW)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW)
// Grid      a lane owns 4 neighbours of a row of y; a workgroup one channel, so that w is read at addresses
//           all lanes share
// Numerics  f32 sums in the order c, u, v
// Cost      reads one float of x a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)

const WG = 32u;

// Whether input columns begin … begin + 3 steps lie in the row.
fn inside(q: vec4<u32>) -> vec4<bool> {
    return (q >= vec4<u32>(params.left)) & (q - min(q, vec4<u32>(params.left)) < vec4<u32>(params.w_in));
}

@compute @workgroup_size(WG)
fn conv2d_depthwise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.ow + 3u) / 4u;
    let strip_blocks = (params.oh * strips + WG - 1u) / WG;
    let g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    let o = g / strip_blocks % params.o;
    let image = g / strip_blocks / params.o;
    if (image >= params.batch || strip >= params.oh * strips) { return; }
    let column = strip % strips * 4u;
    let row = strip / strips;
    let first = image * params.c + o / outer * inner;
    var acc = vec4<f32>();
    let begin = (vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u)) * params.stride_w;
    for (var c = 0u; c < inner; c++) {
        for (var u = 0u; u < params.kh; u++) {
            let at = row * params.stride_h + u * params.dilation_h;
            let known = at >= params.top && at - min(at, params.top) < params.h;
            let line = select(0u, ((first + c) * params.h + at - min(at, params.top)) * params.w_in, known);
            for (var v = 0u; v < params.kw; v++) {
                let q = begin + v * params.dilation_w;
                let here = inside(q) & vec4<bool>(known);
                let i = select(vec4<u32>(line), line + q - min(q, vec4<u32>(params.left)), here);
                let p = select(vec4<f32>(0.0), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), here);
                acc += weight(((o * inner + c) * params.kh + u) * params.kw + v) * p;
            }
        }
    }
    let out = ((image * params.o + o) * params.oh + row) * params.ow + column;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (column + j < params.ow) { y[out + j] = finish(acc[j], o, out + j); }
    }
}

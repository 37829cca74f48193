// conv2d — slide windows of weights over images, with bias, activation and residual.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u·dilation − top, …]   g the group of o
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Source    PyTorch F.conv2d (cross-correlation; zeros outside x)
// Shapes    x (B,C,H,W)  w (O,C/G,KH,KW)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW)
// Grid      one invocation per element of y
// Numerics  f32 sum in the order c, u, v
// Cost      2·B·O·OH·OW·(C/G)·KH·KW flops, as many floats through the caches

// @import lib/grid
// @import lib/conv

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)

const WG = 64u;

@compute @workgroup_size(WG)
fn conv2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.batch * params.o * params.oh * params.ow) { return; }
    let column = i % params.ow * params.stride_w;
    let row = i / params.ow % params.oh * params.stride_h;
    let plane = i / params.ow / params.oh;
    let o = plane % params.o;
    let inner = params.c / params.groups;
    let first = plane / params.o * params.c + o / (params.o / params.groups) * inner;

    var acc = 0.0;
    for (var c = 0u; c < inner; c++) {
        for (var u = 0u; u < params.kh; u++) {
            let r = row + u * params.dilation_h;
            if (r < params.top || r - params.top >= params.h) { continue; }
            let line = ((first + c) * params.h + r - params.top) * params.w_in;
            let taps = ((o * inner + c) * params.kh + u) * params.kw;
            for (var v = 0u; v < params.kw; v++) {
                let q = column + v * params.dilation_w;
                if (q >= params.left && q - params.left < params.w_in) {
                    acc += weight(taps + v) * x[line + q - params.left];
                }
            }
        }
    }
    y[i] = finish(acc, o, i);
}

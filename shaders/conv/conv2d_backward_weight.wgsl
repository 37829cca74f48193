// conv2d_backward_weight — the gradient of conv2d with respect to its weights.
//
//   part[s,o,c,u,v] = Σ_p d_y[b,o,i,j] · x[b, g·C/G + c, i·stride + u·dilation − top, …]   p = (b·OH + i)·OW + j in part s
//   d_w[o,c,u,v]    = Σ_s part[s,o,c,u,v]                                                   g the group of o
//
// Pixels are shared out to PARTS parts of CHUNK, so that few weights under large images still fill a device.
//
// Source    the adjoint of PyTorch F.conv2d; zeros outside x
// Shapes    x (B,C,H,W)  d_y (B,O,OH,OW)  →  d_w (O,C/G,KH,KW)
// Grid      one invocation per element and part, then one per element
// Numerics  f32 sums in the order of p, then of s
// Cost      2·B·O·OH·OW·(C/G)·KH·KW flops, twice as many floats through the caches

// @import lib/grid
// @import lib/conv_backward_weight

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // (B,C,H,W)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;          // (B,O,OH,OW)
@group(0) @binding(3) var<storage, read_write> d_w: array<f32>;    // (O,C/G,KH,KW)
@group(0) @binding(4) var<storage, read_write> part: array<f32>;   // (PARTS,O,C/G,KH,KW)

const WG = 64u;

@compute @workgroup_size(WG)
fn conv2d_backward_weight_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    let inner = params.c / params.groups;
    let s = at / elements();
    if (s >= params.parts) { return; }
    let v = at % params.kw * params.dilation_w;
    let u = at / params.kw % params.kh * params.dilation_h;
    let c = at / (params.kw * params.kh) % inner;
    let o = at % elements() / (params.kw * params.kh * inner);
    let channel = o / (params.o / params.groups) * inner + c;
    let plane = params.oh * params.ow;

    var acc = 0.0;
    let end = min((s + 1u) * params.chunk, params.batch * plane);
    for (var p = s * params.chunk; p < end; p++) {
        let row = p / params.ow % params.oh * params.stride_h + u;
        let column = p % params.ow * params.stride_w + v;
        if (inside(row, params.top, params.h) && inside(column, params.left, params.w_in)) {
            let image = p / plane;
            let line = ((image * params.c + channel) * params.h + row - params.top) * params.w_in;
            acc += d_y[(image * params.o + o) * plane + p % plane] * x[line + column - params.left];
        }
    }
    part[at] = acc;
}

@compute @workgroup_size(WG)
fn conv2d_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    sum_parts(flat_group(group, groups) * WG + lane);
}

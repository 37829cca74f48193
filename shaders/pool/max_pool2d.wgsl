// max_pool2d — the largest element of every window, and where it is.
//
//   y[p,i,j]     = max over (u,v) of x[p, i·stride + u·dilation − padding, …]      padding counts as −∞
//   index[p,i,j] = row · IW + column of that element, the lowest of equals
//
// Source    PyTorch F.max_pool2d with return_indices
// Shapes    x (P,IH,IW)  →  y (P,OH,OW)  index (P,OH,OW) i32;  planes P = B·C
// Grid      one invocation per window
// Numerics  exact; NaN is undefined
// Cost      reads P·OH·OW·KH·KW from the cache, writes 2·P·OH·OW words

struct Params {
    n: u32, ih: u32, iw: u32, oh: u32, ow: u32, kh: u32, kw: u32, stride_h: u32, stride_w: u32,
    pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (P,IH,IW)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;       // (P,OH,OW)
@group(0) @binding(3) var<storage, read_write> index: array<i32>;   // (P,OH,OW)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn max_pool2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;

    var found = false;
    var best = 0.0;
    var best_at = 0u;
    for (var u = 0u; u < params.kh; u++) {
        let row = oy * params.stride_h + u * params.dilation_h;   // counted from the first row of padding
        if (row < params.pad_h || row >= params.pad_h + params.ih) { continue; }
        for (var v = 0u; v < params.kw; v++) {
            let column = ox * params.stride_w + v * params.dilation_w;
            if (column < params.pad_w || column >= params.pad_w + params.iw) { continue; }
            let at = (row - params.pad_h) * params.iw + (column - params.pad_w);
            let value = x[plane + at];
            if (!found || value > best) {
                found = true;
                best = value;
                best_at = at;
            }
        }
    }
    y[i] = best;
    index[i] = i32(best_at);
}

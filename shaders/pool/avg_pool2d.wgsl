// avg_pool2d — the mean of every window.
//
//   y[p,i,j] = 1/n · Σ over (u,v) of x[p, i·stride + u − padding, …]               padding counts as 0
//   n        = positions of the window inside the padded image, or inside the image
//
// Source    PyTorch F.avg_pool2d
// Shapes    x (P,IH,IW)  →  y (P,OH,OW);  planes P = B·C
// Grid      one invocation per window
// Numerics  f32 sums in row-major order of the window
// Cost      reads P·OH·OW·KH·KW from the cache, writes P·OH·OW floats

struct Params {
    n: u32, ih: u32, iw: u32, oh: u32, ow: u32, kh: u32, kw: u32, stride_h: u32, stride_w: u32,
    pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (P,IH,IW)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (P,OH,OW)

override COUNT_INCLUDE_PAD: bool;

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn avg_pool2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;

    // Rows and columns counted from the first of the padding, cut to the image.
    let top = oy * params.stride_h;
    let left = ox * params.stride_w;
    let row_end = min(top + params.kh, params.pad_h + params.ih);
    let column_end = min(left + params.kw, params.pad_w + params.iw);
    let row_start = max(top, params.pad_h);
    let column_start = max(left, params.pad_w);
    var sum = 0.0;
    for (var row = row_start; row < row_end; row++) {
        let first = plane + (row - params.pad_h) * params.iw;
        for (var column = column_start; column < column_end; column++) { sum += x[first + column - params.pad_w]; }
    }
    var count = (row_end - row_start) * (column_end - column_start);
    if (COUNT_INCLUDE_PAD) {
        count = (min(top + params.kh, 2u * params.pad_h + params.ih) - top)
            * (min(left + params.kw, 2u * params.pad_w + params.iw) - left);
    }
    y[i] = sum / f32(count);
}

// avg_pool2d_backward — the gradient of avg_pool2d: every window shares its own out evenly.
//
//   d_x[p,r,q] = Σ of d_y[p,i,j] / n(i,j) over the windows (i,j) that cover (r,q)
//   n          = positions of the window inside the padded image, or inside the image
//
// Source    the adjoint of PyTorch F.avg_pool2d
// Shapes    d_y (P,OH,OW)  →  d_x (P,IH,IW);  planes P = B·C
// Grid      one invocation per element of d_x
// Numerics  f32 sums over windows in row-major order
// Cost      reads P·IH·IW·⌈KH/stride⌉·⌈KW/stride⌉ floats from the cache, writes P·IH·IW

// @import lib/pool_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (P,OH,OW)
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;   // (P,IH,IW)

override COUNT_INCLUDE_PAD: bool;

const WG = 64u;

// @import lib/grid

// Positions of a window from `start` on (counted from the first of the padding) that count.
fn count(start: u32, size: u32, pad: u32, n: u32) -> u32 {
    if (COUNT_INCLUDE_PAD) { return min(start + size, 2u * pad + n) - start; }
    return min(start + size, pad + n) - max(start, pad);
}

@compute @workgroup_size(WG)
fn avg_pool2d_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    if (at >= params.n) { return; }
    let plane = at / (params.ih * params.iw) * (params.oh * params.ow);
    let rows = covering_rows(at);
    let columns = covering_columns(at);
    var sum = 0.0;
    for (var i = rows.first; i < rows.end; i++) {
        let of_rows = count(i * params.stride_h, params.kh, params.pad_h, params.ih);
        for (var j = columns.first; j < columns.end; j++) {
            let of_columns = count(j * params.stride_w, params.kw, params.pad_w, params.iw);
            sum += d_y[plane + i * params.ow + j] / f32(of_rows * of_columns);
        }
    }
    d_x[at] = sum;
}

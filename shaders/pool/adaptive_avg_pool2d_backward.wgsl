// adaptive_avg_pool2d_backward — the gradient of adaptive_avg_pool2d: every window shares its own out evenly.
//
//   d_x[p,r,q] = Σ of d_y[p,i,j] / n(i,j) over the windows ⌊i·IH/OH⌋ … ⌈(i+1)·IH/OH⌉ − 1 that hold r, likewise q
//   n          = elements of the window
//
// Row r lies in windows ⌊r·OH/IH⌋ … ⌈(r+1)·OH/IH⌉ − 1.
//
// Source    the adjoint of PyTorch F.adaptive_avg_pool2d
// Shapes    d_y (P,OH,OW)  →  d_x (P,IH,IW);  planes P = B·C
// Grid      one invocation per element of d_x
// Numerics  f32 sums over windows in row-major order; the caller checks that IH·OH and IW·OW fit u32
// Cost      reads P·max(IH,OH)·max(IW,OW) floats from the cache, writes P·IH·IW

struct Params { n: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (P,OH,OW)
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;   // (P,IH,IW)

const WG = 64u;

// @import lib/grid

// Where share `i` of `n` in `m` parts begins, and where it ends.
fn share(i: u32, n: u32, m: u32) -> vec2<u32> {
    return vec2<u32>(i * n / m, ((i + 1u) * n + m - 1u) / m);
}

@compute @workgroup_size(WG)
fn adaptive_avg_pool2d_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    if (at >= params.n) { return; }
    let plane = at / (params.ih * params.iw) * (params.oh * params.ow);
    let rows = share(at / params.iw % params.ih, params.oh, params.ih);
    let columns = share(at % params.iw, params.ow, params.iw);
    var sum = 0.0;
    for (var i = rows.x; i < rows.y; i++) {
        let height = share(i, params.ih, params.oh);
        for (var j = columns.x; j < columns.y; j++) {
            let width = share(j, params.iw, params.ow);
            sum += d_y[plane + i * params.ow + j] / f32((height.y - height.x) * (width.y - width.x));
        }
    }
    d_x[at] = sum;
}

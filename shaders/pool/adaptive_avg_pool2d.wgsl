// adaptive_avg_pool2d — means of windows that cover the image for a given output size.
//
//   y[p,i,j] = mean of x[p, ⌊i·IH/OH⌋ … ⌈(i+1)·IH/OH⌉ − 1, ⌊j·IW/OW⌋ … ⌈(j+1)·IW/OW⌉ − 1]
//
// Source    PyTorch F.adaptive_avg_pool2d
// Shapes    x (P,IH,IW)  →  y (P,OH,OW);  planes P = B·C
// Grid      one invocation per window. Split: one workgroup per window, whose lanes share its elements
// Numerics  f32 sums in row-major order of the window (split: of every WG-th element, then a tree);
//           the caller checks that IH·OH and IW·OW fit u32
// Cost      reads ~P·IH·IW, writes P·OH·OW floats

struct Params { n: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // (P,IH,IW)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // (P,OH,OW)

const WG = 64u;

// @import lib/grid
// @import lib/workgroup_reduce

struct Window { first: u32, rows: u32, columns: u32 }

fn window(i: u32) -> Window {
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;
    let top = oy * params.ih / params.oh;
    let left = ox * params.iw / params.ow;
    let bottom = ((oy + 1u) * params.ih + params.oh - 1u) / params.oh;
    let right = ((ox + 1u) * params.iw + params.ow - 1u) / params.ow;
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    return Window(plane + top * params.iw + left, bottom - top, right - left);
}

@compute @workgroup_size(WG)
fn adaptive_avg_pool2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let w = window(i);
    var sum = 0.0;
    for (var row = 0u; row < w.rows; row++) {
        let first = w.first + row * params.iw;
        for (var column = 0u; column < w.columns; column++) { sum += x[first + column]; }
    }
    y[i] = sum / f32(w.rows * w.columns);
}

@compute @workgroup_size(WG)
fn adaptive_avg_pool2d_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups);
    if (i >= params.n) { return; }   // uniform: i is the same in the whole workgroup
    let w = window(i);
    let count = w.rows * w.columns;
    var sum = 0.0;
    for (var k = lane; k < count; k += WG) { sum += x[w.first + k / w.columns * params.iw + k % w.columns]; }
    let total = workgroup_sum(sum, lane);
    if (lane == 0u) { y[i] = total / f32(count); }
}

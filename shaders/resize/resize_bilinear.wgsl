// resize_bilinear — an image of another size by linear interpolation along both axes.
//
//   y[p,i,j] = (1 − u)·((1 − v)·x[r,c] + v·x[r,c′]) + u·((1 − v)·x[r′,c] + v·x[r′,c′])
//   r = row[i], r′ = min(r + 1, IH − 1), u = row_weight[i], and c, c′, v likewise for columns
//
// Source    PyTorch F.interpolate(mode='bilinear'); the tables are made by src/kernels/resize/table.rs
// Shapes    x (P,IH,IW)  row (OH) i32, row_weight (OH), column (OW) i32, column_weight (OW)  →  y (P,OH,OW)
// Grid      one invocation per output
// Numerics  positions and weights come from f64; tables beyond the image are cut to it
// Cost      reads 4·P·OH·OW from the cache, writes P·OH·OW floats; ~9·P·OH·OW flops

struct Params { n: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;               // (P,IH,IW)
@group(0) @binding(2) var<storage, read> row: array<i32>;             // (OH)
@group(0) @binding(3) var<storage, read> row_weight: array<f32>;      // (OH)
@group(0) @binding(4) var<storage, read> column: array<i32>;          // (OW)
@group(0) @binding(5) var<storage, read> column_weight: array<f32>;   // (OW)
@group(0) @binding(6) var<storage, read_write> y: array<f32>;         // (P,OH,OW)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn resize_bilinear(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;
    let top = u32(clamp(row[oy], 0, i32(params.ih) - 1));
    let left = u32(clamp(column[ox], 0, i32(params.iw) - 1));
    let right = min(left + 1u, params.iw - 1u);
    let u = row_weight[oy];
    let v = column_weight[ox];
    let upper = plane + top * params.iw;
    let lower = plane + min(top + 1u, params.ih - 1u) * params.iw;
    y[i] = (1.0 - u) * ((1.0 - v) * x[upper + left] + v * x[upper + right])
        + u * ((1.0 - v) * x[lower + left] + v * x[lower + right]);
}

// resize_nearest — an image of another size from its nearest elements.
//
//   y[p,i,j] = x[p, row[i], column[j]]
//
// Source    PyTorch F.interpolate(mode='nearest'); the tables are made by src/kernels/resize/table.rs
// Shapes    x (P,IH,IW)  row (OH) i32  column (OW) i32  →  y (P,OH,OW);  planes P = B·C
// Grid      one invocation per output
// Numerics  bits are moved; tables beyond the image are cut to it
// Cost      reads P·OH·OW, writes P·OH·OW words

struct Params { n: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;         // (P,IH,IW)
@group(0) @binding(2) var<storage, read> row: array<i32>;       // (OH)
@group(0) @binding(3) var<storage, read> column: array<i32>;    // (OW)
@group(0) @binding(4) var<storage, read_write> y: array<u32>;   // (P,OH,OW)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn resize_nearest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;
    let r = u32(clamp(row[oy], 0, i32(params.ih) - 1));
    let c = u32(clamp(column[ox], 0, i32(params.iw) - 1));
    y[i] = x[plane + r * params.iw + c];
}

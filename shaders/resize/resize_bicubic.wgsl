// resize_bicubic — an image of another size by cubic convolution along both axes.
//
//   y[p,i,j] = Σ_a Σ_b row_weight[i,a] · column_weight[j,b] · x[p, row[i] − 1 + a, column[j] − 1 + b]
//   a, b in 0..4; positions outside the image repeat its edge
//
// Paper     Keys 1981, Cubic convolution interpolation for digital image processing, eq. 15 with a = −0.75
// Source    PyTorch F.interpolate(mode='bicubic'); the tables are made by src/kernels/resize/table.rs
// Shapes    x (P,IH,IW)  row (OH) i32, row_weight (OH,4), column (OW) i32, column_weight (OW,4)  →  y (P,OH,OW)
// Grid      one invocation per output
// Numerics  positions and weights come from f64; a row is summed first, then the four rows
// Cost      reads 16·P·OH·OW from the cache, writes P·OH·OW floats; ~40·P·OH·OW flops

struct Params { n: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;               // (P,IH,IW)
@group(0) @binding(2) var<storage, read> row: array<i32>;             // (OH)
@group(0) @binding(3) var<storage, read> row_weight: array<f32>;      // (OH,4)
@group(0) @binding(4) var<storage, read> column: array<i32>;          // (OW)
@group(0) @binding(5) var<storage, read> column_weight: array<f32>;   // (OW,4)
@group(0) @binding(6) var<storage, read_write> y: array<f32>;         // (P,OH,OW)

const WG = 64u;

// @import lib/grid

// Position first − 1 + tap, cut to 0 .. n.
fn cut(first: i32, tap: u32, n: u32) -> u32 {
    return u32(clamp(first - 1 + i32(tap), 0, i32(n) - 1));
}

@compute @workgroup_size(WG)
fn resize_bicubic(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;
    let r = clamp(row[oy], -2, i32(params.ih) + 1);   // far beyond the edge, every tap is the edge
    let c = clamp(column[ox], -2, i32(params.iw) + 1);
    let c0 = cut(c, 0u, params.iw);
    let c1 = cut(c, 1u, params.iw);
    let c2 = cut(c, 2u, params.iw);
    let c3 = cut(c, 3u, params.iw);
    let w = 4u * ox;
    var sum = 0.0;
    // @unroll
    for (var a = 0u; a < 4u; a++) {
        let first = plane + cut(r, a, params.ih) * params.iw;
        sum += row_weight[4u * oy + a] * (column_weight[w] * x[first + c0] + column_weight[w + 1u] * x[first + c1]
            + column_weight[w + 2u] * x[first + c2] + column_weight[w + 3u] * x[first + c3]);
    }
    y[i] = sum;
}

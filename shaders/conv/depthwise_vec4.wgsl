// conv2d_depthwise_vec4 — conv2d for groups of one or two output channels: x is read in vectors of four, and a row of x
// once for four rows of y.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u − top, j·STRIDE + v − PAD]
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Shapes    x (B,C,H,W) with W a multiple of 4  w (O,C/G,KH,KW) with KW ≤ 5  b (O)  →  y (B,O,OH,OW)
// Grid      a lane owns 4 × 4 pixels of y; a workgroup one channel, so that w is read at addresses all lanes share
// Numerics  f32 sums in the order c, u, v
// Cost      at 3 × 3 and stride 1, reads 18 vectors of x for 144 products, where depthwise reads 144 floats
// Tried     on llvmpipe (row 1x144x56x56/144x3x3/depthwise) 6.4 ms, depthwise 15.4; not measured on a GPU

// @import lib/grid
// @import lib/conv

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;    // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)

override KW: u32;       // up to 5
override PAD: u32;      // zeros at the left, up to 4
override STRIDE: u32;   // along rows, 1 or 2

const WG = 32u;

@compute @workgroup_size(WG)
fn conv2d_depthwise_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.ow + 3u) / 4u;
    let bands = (params.oh + 3u) / 4u;
    let blocks = (bands * strips + WG - 1u) / WG;
    let g = flat_group(group, groups);
    let strip = g % blocks * WG + lane;
    let o = g / blocks % params.o;
    let image = g / blocks / params.o;
    if (image >= params.batch || strip >= bands * strips) { return; }
    let s = strip % strips;
    let row = strip / strips * 4u;
    let first = image * params.c + o / outer * inner;
    let wide = params.w_in / 4u;

    var acc: array<vec4<f32>, 4>;
    var t: array<f32, 16>;   // columns 4·STRIDE·s − 4 … 4·STRIDE·s + 11 of a row of x
    for (var c = 0u; c < inner; c++) {
        for (var r = 0u; r < 3u * params.stride_h + params.kh; r++) {
            let at = row * params.stride_h + r;
            let known = at >= params.top && at - min(at, params.top) < params.h;
            let line = select(0u, ((first + c) * params.h + at - min(at, params.top)) * wide, known);
            // @unroll
            for (var q = 0u; q < 4u; q++) {
                // Vector q − 1 of those the strip sees; stride 1 sees three.
                let vector = STRIDE * s + q;
                if (q < 2u + STRIDE && (q > 0u || PAD > 0u)) {
                    let here = known && vector > 0u && vector <= wide;
                    let p = select(vec4<f32>(0.0), x[select(line, line + vector - 1u, here)], here);
                    t[4u * q] = p.x; t[4u * q + 1u] = p.y; t[4u * q + 2u] = p.z; t[4u * q + 3u] = p.w;
                }
            }
            // @unroll
            for (var v = 0u; v < 5u; v++) {
                if (v < KW) {
                    let i = 4u + v - min(PAD, 4u + v);
                    let n = vec4<f32>(t[i], t[i + STRIDE], t[i + 2u * STRIDE], t[i + 3u * STRIDE]);
                    // @unroll
                    for (var k = 0u; k < 4u; k++) {
                        let u = r - min(r, k * params.stride_h);
                        if (r >= k * params.stride_h && u < params.kh) {
                            acc[k] += weight(((o * inner + c) * params.kh + u) * KW + v) * n;
                        }
                    }
                }
            }
        }
    }
    let out = ((image * params.o + o) * params.oh + row) * params.ow + 4u * s;
    // @unroll
    for (var k = 0u; k < 4u; k++) {
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            let i = out + k * params.ow + j;
            if (row + k < params.oh && 4u * s + j < params.ow) { y[i] = finish(acc[k][j], o, i); }
        }
    }
}

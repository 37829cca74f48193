// conv2d_direct — conv2d for CPU adapters: no workgroup memory, no barrier, weights packed first.
//
//   acc[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/G + c, i·stride + u·dilation − top, …]
//   y            = activation_out( activation( scale · acc + b[o] ) + residual )
//
// Shapes    x (B,C,H,W)  w (O,C/G,KH,KW)  b (O)  residual (B,O,OH,OW)  →  y (B,O,OH,OW)
// Grid      a lane owns 4·QUADS channels × 4 neighbours of a row of y; a workgroup one block of channels,
//           so that weights are read at addresses all lanes share
// Numerics  f32 sums in the order c, u, v
// Cost      reads 1/(4·QUADS) float of x a product; 2·B·O·OH·OW·(C/G)·KH·KW flops

// @import lib/grid
// @import lib/conv
// @import lib/conv_pack

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // (B,C,H,W)
@group(0) @binding(2) var<storage, read> w: array<u32>;          // (O,C/G,KH,KW), f32 or f16
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (O), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (B,O,OH,OW), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (B,O,OH,OW)
@group(0) @binding(6) var<storage, read_write> packed: array<vec4<f32>>;   // (G,⌈O/G/4/QUADS⌉,taps,QUADS)

override QUADS: u32;   // 1, 2 or 4 times four channels a lane

const WG = 32u;

// Whether input columns begin … begin + 3 steps lie in the row.
fn inside(q: vec4<u32>) -> vec4<bool> {
    return (q >= vec4<u32>(params.left)) & (q - min(q, vec4<u32>(params.left)) < vec4<u32>(params.w_in));
}

@compute @workgroup_size(WG)
fn conv2d_direct_pack(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    pack(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn conv2d_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let inner = params.c / params.groups;
    let outer = params.o / params.groups;
    let strips = (params.ow + 3u) / 4u;
    let strip_blocks = (params.oh * strips + WG - 1u) / WG;
    let channel_blocks = blocks_of_group();
    let g = flat_group(group, groups);
    let strip = g % strip_blocks * WG + lane;
    let block = g / strip_blocks % channel_blocks;
    let channel = block * 4u * QUADS;
    let of_group = g / strip_blocks / channel_blocks % params.groups;
    let image = g / strip_blocks / channel_blocks / params.groups;
    if (image >= params.batch || strip >= params.oh * strips) { return; }
    let column = strip % strips * 4u;
    let row = strip / strips;
    let o = of_group * outer + channel;
    let first = image * params.c + of_group * inner;

    var tap = (of_group * channel_blocks + block) * inner * params.kh * params.kw * QUADS;
    var acc: array<vec4<f32>, 16>;
    let begin = (vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u)) * params.stride_w;
    for (var c = 0u; c < inner; c++) {
        for (var u = 0u; u < params.kh; u++) {
            let at = row * params.stride_h + u * params.dilation_h;
            let known = at >= params.top && at - min(at, params.top) < params.h;
            let line = select(0u, ((first + c) * params.h + at - min(at, params.top)) * params.w_in, known);
            for (var v = 0u; v < params.kw; v++) {
                let q = begin + v * params.dilation_w;
                let here = inside(q) & vec4<bool>(known);
                let i = select(vec4<u32>(line), line + q - min(q, vec4<u32>(params.left)), here);
                let p = select(vec4<f32>(0.0), vec4<f32>(x[i.x], x[i.y], x[i.z], x[i.w]), here);
                // @unroll
                for (var m = 0u; m < 4u; m++) {
                    if (m < QUADS) {
                        let f = packed[tap + m];
                        acc[4u * m] += f.x * p; acc[4u * m + 1u] += f.y * p;
                        acc[4u * m + 2u] += f.z * p; acc[4u * m + 3u] += f.w * p;
                    }
                }
                tap += QUADS;
            }
        }
    }
    let plane = params.oh * params.ow;
    let out = ((image * params.o + o) * params.oh + row) * params.ow + column;
    // @unroll
    for (var r = 0u; r < 16u; r++) {
        if (!EPILOGUE && r < 4u * QUADS && channel + r < outer) {
            // @unroll
            for (var j = 0u; j < 4u; j++) {
                if (column + j < params.ow) { y[out + r * plane + j] = acc[r][j]; }
            }
        }
    }
    if (EPILOGUE) {
        var sums = acc;   // indexed by a loop, so that acc itself stays in registers
        for (var r = 0u; r < 4u * QUADS && channel + r < outer; r++) {
            for (var j = 0u; j < 4u && column + j < params.ow; j++) {
                let i = out + r * plane + j;
                y[i] = finish(sums[r][j], o + r, i);
            }
        }
    }
}

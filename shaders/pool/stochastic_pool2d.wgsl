// stochastic_pool2d — one activation of every window, drawn with probability proportional to its value.
//
//   a = max(x, 0), S = Σ a over the window
//   with u      y = the first a at which the running sum (row-major) exceeds u · S; index says where
//   without     y = Σ a² / S (evaluation), index −1
//
// Paper     Zeiler, Fergus 2013, arXiv:1301.3557, eq. 2–6
// Shapes    x (P,IH,IW)  u (P,OH,OW) in [0,1)  →  y (P,OH,OW)  index (P,OH,OW) i32;  planes P = B·C
// Grid      one invocation per window
// Numerics  f32 sums in row-major order of the window; S = 0 gives 0 and the window's first index; rounding
//           that leaves the running sum at u · S takes the last positive a
// Cost      reads 2·P·OH·OW·KH·KW from the cache and P·OH·OW, writes 2·P·OH·OW words

struct Params {
    n: u32, ih: u32, iw: u32, oh: u32, ow: u32, kh: u32, kw: u32, stride_h: u32, stride_w: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (P,IH,IW)
@group(0) @binding(2) var<storage, read> u: array<f32>;             // (P,OH,OW), optional
@group(0) @binding(3) var<storage, read_write> y: array<f32>;       // (P,OH,OW)
@group(0) @binding(4) var<storage, read_write> index: array<i32>;   // (P,OH,OW)

override HAS_U: bool;

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn stochastic_pool2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let plane = i / (params.oh * params.ow) * (params.ih * params.iw);
    let oy = i / params.ow % params.oh;
    let ox = i % params.ow;

    let first = oy * params.stride_h * params.iw + ox * params.stride_w;
    var sum = 0.0;
    var squares = 0.0;
    for (var r = 0u; r < params.kh; r++) {
        for (var c = 0u; c < params.kw; c++) {
            let a = max(x[plane + first + r * params.iw + c], 0.0);
            sum += a;
            squares += a * a;
        }
    }
    if (!HAS_U) {
        y[i] = select(0.0, squares / sum, sum > 0.0);
        index[i] = -1;
        return;
    }

    let threshold = u[i] * sum;
    var running = 0.0;
    var found = false;
    var chosen = 0.0;
    var chosen_at = first;
    for (var r = 0u; r < params.kh; r++) {
        for (var c = 0u; c < params.kw; c++) {
            let at = first + r * params.iw + c;
            let a = max(x[plane + at], 0.0);
            running += a;
            if (!found && a > 0.0) {
                chosen = a;
                chosen_at = at;
                found = running > threshold;
            }
        }
    }
    y[i] = chosen;
    index[i] = i32(chosen_at);
}

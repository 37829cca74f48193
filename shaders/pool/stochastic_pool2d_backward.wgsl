// stochastic_pool2d_backward — the gradient of stochastic_pool2d in evaluation: of the mean Σ a² / S of every window.
//
//   d_x[p,r,q] = Σ of d_y[p,i,j] · (2·a[r,q] − y[p,i,j]) / S(i,j) over the windows (i,j) that cover (r,q)
//   a = max(x, 0), S = Σ a over the window; 0 where x ≤ 0
//
// Paper     the derivative of Zeiler, Fergus 2013, arXiv:1301.3557, eq. 6
// Shapes    x (P,IH,IW)  y, d_y (P,OH,OW)  →  d_x (P,IH,IW);  planes P = B·C
// Grid      one invocation per element of d_x, which sums each window that covers it anew
// Numerics  f32 sums in row-major order, of a window and over windows
// Cost      reads P·IH·IW·KH·KW·⌈KH/stride⌉·⌈KW/stride⌉ floats from the cache, writes P·IH·IW

// @import lib/pool_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // (P,IH,IW)
@group(0) @binding(2) var<storage, read> y: array<f32>;           // (P,OH,OW)
@group(0) @binding(3) var<storage, read> d_y: array<f32>;         // (P,OH,OW)
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;   // (P,IH,IW)

const WG = 64u;

// @import lib/grid

// The sum of the window whose first element is x[first].
fn window_sum(first: u32) -> f32 {
    var sum = 0.0;
    for (var u = 0u; u < params.kh; u++) {
        for (var v = 0u; v < params.kw; v++) { sum += max(x[first + u * params.iw + v], 0.0); }
    }
    return sum;
}

@compute @workgroup_size(WG)
fn stochastic_pool2d_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    if (at >= params.n) { return; }
    let plane = at / (params.ih * params.iw);
    let rows = covering_rows(at);
    let columns = covering_columns(at);
    var sum = 0.0;
    if (x[at] > 0.0) {
        for (var i = rows.first; i < rows.end; i++) {
            let row = (plane * params.ih + i * params.stride_h) * params.iw;
            for (var j = columns.first; j < columns.end; j++) {
                let window = (plane * params.oh + i) * params.ow + j;
                sum += d_y[window] * ((2.0 * x[at] - y[window]) / window_sum(row + j * params.stride_w));
            }
        }
    }
    d_x[at] = sum;
}

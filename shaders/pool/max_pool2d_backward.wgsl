// max_pool2d_backward — the gradient of max_pool2d: every window's goes to the element it took.
//
//   d_x[p,r,q] = Σ of d_y[p,i,j] over the windows (i,j) that cover (r,q) with index[p,i,j] = r · IW + q
//
// Every element looks through the windows that cover it, so none is added to by two invocations.
//
// Source    the adjoint of PyTorch F.max_pool2d
// Shapes    d_y (P,OH,OW)  index (P,OH,OW) i32  →  d_x (P,IH,IW);  planes P = B·C
// Grid      one invocation per element of d_x
// Numerics  f32 sums over windows in row-major order; an index outside its window adds nothing
// Cost      reads 2·P·IH·IW·⌈KH/stride⌉·⌈KW/stride⌉ words from the cache, writes P·IH·IW floats

// @import lib/pool_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (P,OH,OW)
@group(0) @binding(2) var<storage, read> index: array<i32>;       // (P,OH,OW)
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (P,IH,IW)

const WG = 64u;

// @import lib/grid

@compute @workgroup_size(WG)
fn max_pool2d_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_group(group, groups) * WG + lane;
    if (at >= params.n) { return; }
    let place = i32(at % (params.ih * params.iw));
    let plane = at / (params.ih * params.iw) * (params.oh * params.ow);
    let rows = covering_rows(at);
    let columns = covering_columns(at);
    var sum = 0.0;
    for (var i = rows.first; i < rows.end; i++) {
        for (var j = columns.first; j < columns.end; j++) {
            let window = plane + i * params.ow + j;
            if (index[window] == place) { sum += d_y[window]; }
        }
    }
    d_x[at] = sum;
}

// attention_backward_q_direct — attention_backward_q with one invocation a query; formula and shapes in
// attention_backward_q.wgsl.
//
// With few queries and keys a tile of the plain one is mostly empty. No workgroup memory, no barrier.
//
// Grid      one invocation per 16 columns of d_q, batch, head and query
// Numerics  f32 sums in the order of d, of columns and of keys
// Cost      2·T·S·(D + DV) flops a head for every 16 columns, 2·T·S·D for d_q; every query reads k and v

// @import lib/grid
// @import lib/attention_backward

@group(0) @binding(8) var<storage, read_write> d_q: array<f32>;   // (B,T,H,D)

const WG = 64u;
const COLUMNS = 16u;   // of an invocation

@compute @workgroup_size(WG)
fn attention_backward_q_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    let t = i % params.rows;
    let h = i / params.rows % params.heads;
    let b = i / params.rows / params.heads % params.batch;
    let d0 = i / params.rows / params.heads / params.batch * COLUMNS;
    if (d0 >= params.dims) { return; }
    let query = queries(b, h);
    let key = keys_of(b, h);
    let value = values_of(b, h);
    let gradient = gradients(b, h);
    let of_delta = delta_of(b, h, t);

    var o: array<vec4<f32>, 4>;
    let end = visible(t);
    for (var j = 0u; j < end; j += 4u) {
        var s = vec4(0.0);
        for (var d = 0u; d < params.dims; d++) { s += element(query, t, d) * four_rows(key, j, d); }
        var dp = vec4(0.0);
        for (var c = 0u; c < params.columns; c++) { dp += element(gradient, t, c) * four_rows(value, j, c); }
        let ds = weight_of(s, b, h, t, j) * (dp - of_delta);
        // @unroll
        for (var block = 0u; block < 4u; block++) {
            let d = d0 + 4u * block;
            o[block] += ds.x * four_columns(key, j, d) + ds.y * four_columns(key, j + 1u, d)
                + ds.z * four_columns(key, j + 2u, d) + ds.w * four_columns(key, j + 3u, d);
        }
    }

    let row = ((b * params.rows + t) * params.heads + h) * params.dims;
    // @unroll
    for (var block = 0u; block < 4u; block++) {
        let d = d0 + 4u * block;
        let v4 = params.scale * o[block];
        if (d < params.dims) { d_q[row + d] = v4.x; }
        if (d + 1u < params.dims) { d_q[row + d + 1u] = v4.y; }
        if (d + 2u < params.dims) { d_q[row + d + 2u] = v4.z; }
        if (d + 3u < params.dims) { d_q[row + d + 3u] = v4.w; }
    }
}

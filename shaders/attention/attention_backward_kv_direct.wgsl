// attention_backward_kv_direct — attention_backward_kv with one invocation for four keys; formula and shapes in
// attention_backward_kv.wgsl.
//
// With few queries and keys a tile of the plain one is mostly empty. No workgroup memory, no barrier.
//
// Grid      one invocation per 16 columns, batch, key head and 4 keys
// Numerics  f32 sums in the order of d, of columns, and of heads and queries
// Cost      2·T·S·(D + DV) flops a query head for every 16 columns, and as many for d_k and d_v

// @import lib/grid
// @import lib/attention_backward

@group(0) @binding(8) var<storage, read_write> d_kv: array<f32>;   // (B,S,KH,D), then (B,S,KH,DV)

const WG = 64u;
const COLUMNS = 16u;   // of an invocation

fn write(v4: vec4<f32>, at: u32, d: u32, columns: u32) {
    if (d < columns) { d_kv[at + d] = v4.x; }
    if (d + 1u < columns) { d_kv[at + d + 1u] = v4.y; }
    if (d + 2u < columns) { d_kv[at + d + 2u] = v4.z; }
    if (d + 3u < columns) { d_kv[at + d + 3u] = v4.w; }
}

@compute @workgroup_size(WG)
fn attention_backward_kv_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    let fours = (params.keys + 3u) / 4u;
    let heads = params.heads / params.group;
    let j = i % fours * 4u;
    let head = i / fours % heads;   // of keys
    let b = i / fours / heads % params.batch;
    let d0 = i / fours / heads / params.batch * COLUMNS;
    if (d0 >= max(params.dims, params.columns)) { return; }

    // Causal: query t sees keys up to t + S − T.
    var first = 0u;
    if (params.causal != 0u && j + params.rows > params.keys) { first = j + params.rows - params.keys; }
    var o_k: array<vec4<f32>, 16>;   // 4 blocks of columns × 4 keys
    var o_v: array<vec4<f32>, 16>;
    for (var h = head * params.group; h < (head + 1u) * params.group; h++) {
        let query = queries(b, h);
        let key = keys_of(b, h);
        let value = values_of(b, h);
        let gradient = gradients(b, h);
        for (var t = first; t < params.rows; t++) {
            var s = vec4(0.0);
            for (var d = 0u; d < params.dims; d++) { s += element(query, t, d) * four_rows(key, j, d); }
            var dp = vec4(0.0);
            for (var c = 0u; c < params.columns; c++) { dp += element(gradient, t, c) * four_rows(value, j, c); }
            let p = weight_of(s, b, h, t, j);
            let ds = p * (dp - delta_of(b, h, t));
            // @unroll
            for (var block = 0u; block < 4u; block++) {
                let x = four_columns(query, t, d0 + 4u * block);
                let y = four_columns(gradient, t, d0 + 4u * block);
                // @unroll
                for (var r = 0u; r < 4u; r++) {
                    o_k[4u * block + r] += ds[r] * x;
                    o_v[4u * block + r] += p[r] * y;
                }
            }
        }
    }

    let values = params.batch * params.keys * heads * params.dims;
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        let row = (b * params.keys + j + r) * heads + head;
        if (j + r < params.keys) {
            // @unroll
            for (var block = 0u; block < 4u; block++) {
                let d = d0 + 4u * block;
                write(params.scale * o_k[4u * block + r], row * params.dims, d, params.dims);
                write(o_v[4u * block + r], values + row * params.columns, d, params.columns);
            }
        }
    }
}

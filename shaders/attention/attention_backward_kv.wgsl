// attention_backward_kv — the gradients of the keys and values of attention.
//
//   d_k[j] = scale · Σ_h Σ_t ds[h,t,j] · q[h,t]      d_v[j] = Σ_h Σ_t p[h,t,j] · d_y[h,t]
//
// over the query heads h that read the key head; p and ds as in lib/attention_backward.wgsl.
//
// Paper     Dao et al. 2022, arXiv:2205.14135, algorithm 4; Dao 2023, arXiv:2307.08691, algorithm 2
// Shapes    q (B,H,T,D)  k (B,KH,S,D)  v (B,KH,S,DV)  bias (B,H,T,S)  key_mask (B,S)  delta (B,H,T,2)
//           d_y (B,T,H,DV)  →  d_kv: d_k (B,S,KH,D), then d_v (B,S,KH,DV)
// Grid      one workgroup per 256 columns, batch, key head and 32 keys
// Numerics  f32 sums in the order of d, of columns, and of heads and queries
// Cost      4·T·S·(D + DV) flops a query head, half if causal; reads q and d_y once per 32 keys

// @import lib/grid
// @import lib/attention_backward_tiles

@group(0) @binding(8) var<storage, read_write> d_kv: array<f32>;   // (B,S,KH,D), then (B,S,KH,DV)

override BLOCKS: u32;          // blocks of columns of d_k
override VALUE_BLOCKS: u32;    // and of d_v

// Writes the four rows from j on of an output that begins at `first` and has `columns` columns.
fn write(o: ptr<function, array<vec4<f32>, 16>>, scale: f32, first: u32, columns: u32, row: u32, j: u32, d0: u32) {
    let heads = params.heads / params.group;
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        // @unroll
        for (var block = 0u; block < MOST; block++) {
            let d = d0 + block * MANY;
            let at = first + (row + r * heads) * columns + d;
            let v4 = scale * (*o)[4u * block + r];
            if (j + r < params.keys) {
                if (d < columns) { d_kv[at] = v4.x; }
                if (d + 1u < columns) { d_kv[at + 1u] = v4.y; }
                if (d + 2u < columns) { d_kv[at + 2u] = v4.z; }
                if (d + 3u < columns) { d_kv[at + 3u] = v4.w; }
            }
        }
    }
}

@compute @workgroup_size(WG)
fn attention_backward_kv(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let tiles = (params.keys + FEW - 1u) / FEW;
    let heads = params.heads / params.group;
    let j0 = place % tiles * FEW;
    let head = place / tiles % heads;   // of keys
    let b = place / tiles / heads % params.batch;
    let d0 = place / tiles / heads / params.batch * MOST * MANY;   // first column
    if (d0 >= max(params.dims, params.columns)) { return; }   // uniform: place is the same in the whole workgroup
    let ty = lane / 16u;    // keys j0 + 4·ty …
    let tx = lane % 16u;    // queries or columns 4·tx …
    let j = j0 + 4u * ty;

    // Causal: query t sees keys up to t + S − T.
    var first = 0u;
    if (params.causal != 0u && j0 + params.rows > params.keys) { first = j0 + params.rows - params.keys; }
    var o_k: array<vec4<f32>, 16>;   // blocks of columns × 4 keys
    var o_v: array<vec4<f32>, 16>;
    for (var h = head * params.group; h < (head + 1u) * params.group; h++) {
        for (var t0 = first; t0 < params.rows; t0 += MANY) {
            let t = t0 + 4u * tx;
            var p = transpose(products(keys_of(b, h), j0, queries(b, h), t0, ty, tx));
            var ds = transpose(products(values_of(b, h), j0, gradients(b, h), t0, ty, tx));
            // @unroll
            for (var i = 0u; i < 4u; i++) {
                p[i] = weight_of(p[i], b, h, t + i, j);
                ds[i] = p[i] * (ds[i] - delta_of(b, h, t + i));
            }
            keep(p, ty, tx);
            add_weighted(&o_v, VALUE_BLOCKS, gradients(b, h), t0, d0, ty, tx);
            keep(ds, ty, tx);
            add_weighted(&o_k, BLOCKS, queries(b, h), t0, d0, ty, tx);
        }
    }
    let row = (b * params.keys + j) * heads + head;
    write(&o_k, params.scale, 0u, params.dims, row, j, d0 + 4u * tx);
    write(&o_v, 1.0, params.batch * params.keys * heads * params.dims, params.columns, row, j, d0 + 4u * tx);
}

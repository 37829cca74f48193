// attention_backward_bias — the gradient of the bias of attention, which is that of the scores.
//
//   d_bias[t,j] = ds[t,j]                        ds as in lib/attention_backward.wgsl; 0 where masked
//
// Paper     Dao et al. 2022, arXiv:2205.14135, algorithm 4
// Shapes    q (B,H,T,D)  k (B,KH,S,D)  v (B,KH,S,DV)  bias (B,H,T,S)  key_mask (B,S)  delta (B,H,T,2)
//           d_y (B,T,H,DV)  →  d_bias (B,H,T,S)
// Grid      one workgroup per batch, head, 32 queries and 64 keys
// Numerics  f32 sums in the order of d and of columns
// Cost      2·T·S·(D + DV) flops a head, writes T·S floats

// @import lib/grid
// @import lib/attention_backward_tiles

@group(0) @binding(8) var<storage, read_write> d_bias: array<f32>;   // (B,H,T,S)

@compute @workgroup_size(WG)
fn attention_backward_bias(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let tiles = (params.keys + MANY - 1u) / MANY;
    let row_tiles = (params.rows + FEW - 1u) / FEW;
    let j0 = place % tiles * MANY;
    let t0 = place / tiles % row_tiles * FEW;
    let h = place / tiles / row_tiles % params.heads;
    let b = place / tiles / row_tiles / params.heads;
    if (b >= params.batch) { return; }   // uniform: place is the same in the whole workgroup
    let ty = lane / 16u;
    let tx = lane % 16u;
    let t = t0 + 4u * ty;
    let j = j0 + 4u * tx;
    var s = products(queries(b, h), t0, keys_of(b, h), j0, ty, tx);
    var dp = products(gradients(b, h), t0, values_of(b, h), j0, ty, tx);
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        let ds = weight_of(s[r], b, h, t + r, j) * (dp[r] - delta_of(b, h, t + r));
        let at = ((b * params.heads + h) * params.rows + t + r) * params.keys + j;
        if (t + r < params.rows) {
            if (j < params.keys) { d_bias[at] = ds.x; }
            if (j + 1u < params.keys) { d_bias[at + 1u] = ds.y; }
            if (j + 2u < params.keys) { d_bias[at + 2u] = ds.z; }
            if (j + 3u < params.keys) { d_bias[at + 3u] = ds.w; }
        }
    }
}

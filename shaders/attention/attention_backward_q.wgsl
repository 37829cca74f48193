// attention_backward_q — the gradient of the queries of attention.
//
//   d_q[t] = scale · Σ_j ds[t,j] · k[j]          ds as in lib/attention_backward.wgsl
//
// Scores and weights are made again from q, k and lse, a tile of keys after another.
//
// Paper     Dao et al. 2022, arXiv:2205.14135, algorithm 4; Dao 2023, arXiv:2307.08691, algorithm 2
// Shapes    q (B,H,T,D)  k (B,KH,S,D)  v (B,KH,S,DV)  bias (B,H,T,S)  key_mask (B,S)  delta (B,H,T,2)
//           d_y (B,T,H,DV)  →  d_q (B,T,H,D)
// Grid      one workgroup per 256 columns of d_q, batch, head and 32 queries
// Numerics  f32 sums in the order of d, of columns and of keys
// Cost      2·T·S·(2·D + DV) flops a head, half if causal; reads k and v once per 32 queries

// @import lib/grid
// @import lib/attention_backward_tiles

@group(0) @binding(8) var<storage, read_write> d_q: array<f32>;   // (B,T,H,D)

override BLOCKS: u32;   // blocks of columns

@compute @workgroup_size(WG)
fn attention_backward_q(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let tiles = (params.rows + FEW - 1u) / FEW;
    let t0 = place % tiles * FEW;
    let h = place / tiles % params.heads;
    let b = place / tiles / params.heads % params.batch;
    let d0 = place / tiles / params.heads / params.batch * MOST * MANY;   // first column of d_q
    if (d0 >= params.dims) { return; }   // uniform: place is the same in the whole workgroup
    let ty = lane / 16u;    // queries t0 + 4·ty …
    let tx = lane % 16u;    // keys or columns 4·tx …
    let t = t0 + 4u * ty;
    let of_deltas = vec4(delta_of(b, h, t), delta_of(b, h, t + 1u), delta_of(b, h, t + 2u), delta_of(b, h, t + 3u));

    var o: array<vec4<f32>, 16>;   // blocks of columns × 4 queries
    let end = visible(min(t0 + FEW, params.rows) - 1u);
    for (var j0 = 0u; j0 < end; j0 += MANY) {
        let j = j0 + 4u * tx;
        var ds = products(queries(b, h), t0, keys_of(b, h), j0, ty, tx);
        var dp = products(gradients(b, h), t0, values_of(b, h), j0, ty, tx);
        // @unroll
        for (var r = 0u; r < 4u; r++) {
            ds[r] = weight_of(ds[r], b, h, t + r, j) * (dp[r] - of_deltas[r]);
        }
        keep(transpose(ds), ty, tx);
        add_weighted(&o, BLOCKS, keys_of(b, h), j0, d0, ty, tx);
    }

    // @unroll
    for (var r = 0u; r < 4u; r++) {
        if (t + r < params.rows) {
            let row = ((b * params.rows + t + r) * params.heads + h) * params.dims;
            // @unroll
            for (var block = 0u; block < MOST; block++) {
                let d = d0 + block * MANY + 4u * tx;
                let v4 = params.scale * o[4u * block + r];
                if (block < BLOCKS) {
                    if (d < params.dims) { d_q[row + d] = v4.x; }
                    if (d + 1u < params.dims) { d_q[row + d + 1u] = v4.y; }
                    if (d + 2u < params.dims) { d_q[row + d + 2u] = v4.z; }
                    if (d + 3u < params.dims) { d_q[row + d + 3u] = v4.w; }
                }
            }
        }
    }
}

// attention — softmax attention that never stores the scores.
//
//   s[t,j] = scale · Σ_d q[t,d] · k[j,d] + bias[t,j]     masked: j > t + S − T if causal, key_mask[j] = 0, s ≤ −1e38
//   y[t]   = Σ_j exp(s[t,j] − lse[t]) · v[j]             lse[t] = log Σ_j exp(s[t,j])
//
// Keys come in tiles; m is the maximum so far, l and o are the sums of exp(s − m) and exp(s − m)·v, rescaled
// when m grows. A row that may attend to nothing gives y = 0 and lse = −3.4028235e38.
//
// Paper     Dao et al. 2022, arXiv:2205.14135, algorithm 1; Milakov, Gimelshein 2018, arXiv:1805.02867
// Shapes    q (B,H,T,D)  k (B,KH,S,D)  v (B,KH,S,DV)  bias (B,H,T,S)  key_mask (B,S)  →  y (B,T,H,DV)  lse (B,H,T);
//           query head h reads key head h / (H/KH)
// Grid      one workgroup per 256 columns of y, batch, head and 32 queries; 8 × 16 lanes, each 4 queries × 4 keys
// Numerics  f32 sums in the order of d and of keys; exp2 with log2(e) in the scale
// Cost      2·T·S·(D + DV) flops a head, half if causal; reads k and v once per 32 queries

// @import lib/grid
// @import lib/attention

const WG = 128u;
const BT = 32u;      // queries of a workgroup
const BS = 64u;      // keys of a tile, and columns of a block of y
const BK = 16u;      // dims of a step of q kᵀ, keys of a step of p v
const MOST = 4u;     // blocks of columns of a workgroup at most
override BLOCKS: u32;   // how many they are

var<workgroup> left: array<vec4<f32>, 128>;      // (BK, BT/4) queries, then maxima and sums
var<workgroup> right: array<vec4<f32>, 256>;     // (BK, BS/4) keys or values
var<workgroup> weights: array<vec4<f32>, 512>;   // (BS, BT/4) exp(s − m)

fn query(base: u32, t: u32, d: u32) -> f32 {
    if (t < params.rows && d < params.dims) { return params.scale * q[base + t * params.q_t + d * params.q_d]; }
    return 0.0;
}

fn key(base: u32, j: u32, d: u32) -> f32 {
    if (j < params.keys && d < params.dims) { return key_at(base + j * params.k_s + d * params.k_d); }
    return 0.0;
}

fn value(base: u32, j: u32, d: u32) -> f32 {
    if (j < params.keys && d < params.columns) { return value_at(base + j * params.v_s + d * params.v_d); }
    return 0.0;
}

@compute @workgroup_size(WG)
fn attention(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let t0 = place % params.tiles * BT;
    let h = place / params.tiles % params.heads;
    let b = place / params.tiles / params.heads % params.batch;
    let d0 = place / params.tiles / params.heads / params.batch * MOST * BS;   // first column of y
    if (d0 >= params.columns) { return; }   // uniform: place is the same in the whole workgroup
    let q_base = params.q_offset + b * params.q_b + h * params.q_h;
    let k_base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    let v_base = params.v_offset + b * params.v_b + h / params.group * params.v_h;
    let ty = lane / 16u;    // queries t0 + 4·ty …, also where this lane loads
    let tx = lane % 16u;    // keys or columns 4·tx …
    let t = t0 + 4u * ty;

    var m = vec4(MASKED);   // per query
    var l = vec4(0.0);      // per query, of this lane's keys only
    var o: array<vec4<f32>, 16>;   // blocks of columns × 4 queries
    let end = visible(min(t0 + BT, params.rows) - 1u);
    for (var j0 = 0u; j0 < end; j0 += BS) {
        var s = array<vec4<f32>, 4>();   // queries × keys
        for (var dim = 0u; dim < params.dims; dim += BK) {
            let d = dim + tx;
            workgroupBarrier();
            left[tx * 8u + ty] =
                vec4(query(q_base, t, d), query(q_base, t + 1u, d), query(q_base, t + 2u, d), query(q_base, t + 3u, d));
            for (var half = 0u; half < 16u; half += 8u) {
                let j = j0 + 4u * (ty + half);
                right[tx * 16u + ty + half] =
                    vec4(key(k_base, j, d), key(k_base, j + 1u, d), key(k_base, j + 2u, d), key(k_base, j + 3u, d));
            }
            workgroupBarrier();
            for (var four = 0u; four < BK; four += 4u) {
                // @unroll
                for (var i = 0u; i < 4u; i++) {
                    let a = left[(four + i) * 8u + ty];
                    let c = right[(four + i) * 16u + tx];
                    s[0] += a.x * c; s[1] += a.y * c; s[2] += a.z * c; s[3] += a.w * c;
                }
            }
        }

        // @unroll
        for (var r = 0u; r < 4u; r++) { s[r] = score(s[r], b, h, t + r, j0 + 4u * tx); }
        workgroupBarrier();
        left[tx * 8u + ty] = vec4(largest(s[0]), largest(s[1]), largest(s[2]), largest(s[3]));
        workgroupBarrier();
        let before = m;
        for (var i = 0u; i < 16u; i++) { m = max(m, left[i * 8u + ty]); }
        let p = mat4x4(weight(s[0], m.x), weight(s[1], m.y), weight(s[2], m.z), weight(s[3], m.w));
        let shrink = exp2(before - m);
        l = l * shrink + vec4(1.0) * p;
        var by_key = transpose(p);
        // @unroll
        for (var i = 0u; i < 4u; i++) {
            weights[(4u * tx + i) * 8u + ty] = by_key[i];
            // @unroll
            for (var block = 0u; block < MOST; block++) {
                if (block < BLOCKS) { o[4u * block + i] *= shrink[i]; }
            }
        }

        // @unroll
        for (var block = 0u; block < MOST; block++) {
            if (block < BLOCKS) {
                for (var j1 = 0u; j1 < BS; j1 += BK) {
                    workgroupBarrier();
                    for (var half = 0u; half < 16u; half += 8u) {
                        let j = j0 + j1 + ty + half;
                        let d = d0 + block * BS + 4u * tx;
                        right[(ty + half) * 16u + tx] = vec4(value(v_base, j, d), value(v_base, j, d + 1u),
                            value(v_base, j, d + 2u), value(v_base, j, d + 3u));
                    }
                    workgroupBarrier();
                    for (var four = 0u; four < BK; four += 4u) {
                        // @unroll
                        for (var i = 0u; i < 4u; i++) {
                            let a = weights[(j1 + four + i) * 8u + ty];
                            let c = right[(four + i) * 16u + tx];
                            o[4u * block] += a.x * c; o[4u * block + 1u] += a.y * c;
                            o[4u * block + 2u] += a.z * c; o[4u * block + 3u] += a.w * c;
                        }
                    }
                }
            }
        }
    }

    workgroupBarrier();
    left[tx * 8u + ty] = l;
    workgroupBarrier();
    l = vec4(0.0);
    for (var i = 0u; i < 16u; i++) { l += left[i * 8u + ty]; }
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        if (t + r < params.rows) {
            if (tx == 0u && d0 == 0u) { lse[(b * params.heads + h) * params.rows + t + r] = log_sum(m[r], l[r]); }
            let row = ((b * params.rows + t + r) * params.heads + h) * params.columns;
            let share = select(0.0, 1.0 / l[r], l[r] > 0.0);
            // @unroll
            for (var block = 0u; block < MOST; block++) {
                if (block < BLOCKS) {
                    let d = d0 + block * BS + 4u * tx;
                    let v4 = share * o[4u * block + r];
                    if (d < params.columns) { y[row + d] = v4.x; }
                    if (d + 1u < params.columns) { y[row + d + 1u] = v4.y; }
                    if (d + 2u < params.columns) { y[row + d + 2u] = v4.z; }
                    if (d + 3u < params.columns) { y[row + d + 3u] = v4.w; }
                }
            }
        }
    }
}

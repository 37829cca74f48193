// attention_split — attention of few queries over many keys: the keys of a query are shared by several workgroups.
//
//   partial[t,p] = (m, l, o) of keys p·CHUNK …:  m = max_j s[t,j],  l = Σ_j exp(s[t,j] − m),  o = Σ_j exp(s[t,j] − m)·v[j]
//   y[t]         = Σ_p exp(m_p − m)·o_p / Σ_p exp(m_p − m)·l_p,  m = max_p m_p      s and lse as in attention.wgsl
//
// A row that may attend to nothing gives y = 0 and lse = −3.4028235e38.
//
// Paper     Dao et al. 2023, "Flash-Decoding for long-context inference"; Dao et al. 2022, arXiv:2205.14135
// Shapes    q (B,H,T,D)  k (B,KH,S,D)  v (B,KH,S,DV)  bias (B,H,T,S)  key_mask (B,S)  →  y (B,T,H,DV)  lse (B,H,T);
//           D and DV at most 256
// Grid      attention_split_parts: one workgroup per query and split, lanes first over keys, four each, then over
//           columns; attention_split: one per query
// Numerics  f32 sums in the order of d and of keys, then of splits; exp2 with log2(e) in the scale
// Cost      2·T·S·(D + DV) flops a head, half if causal; reads k and v once per query head

// @import lib/grid
// @import lib/attention

@group(0) @binding(8) var<storage, read_write> partial: array<f32>;   // (B·H·T, SPLITS, 2 + DV): m, l, o

override SPLITS: u32;
override CHUNK: u32;   // keys of a split, a multiple of TILE

const WG = 64u;
const TILE = 256u;   // keys of a round, four a lane

var<workgroup> query: array<f32, 256>;
var<workgroup> scores: array<vec4<f32>, WG>;   // then exp(s − m)

@compute @workgroup_size(WG)
fn attention_split_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let t = place / SPLITS % params.rows;
    let h = place / SPLITS / params.rows % params.heads;
    let b = place / SPLITS / params.rows / params.heads;
    if (b >= params.batch) { return; }   // uniform: place is the same in the whole workgroup
    let q_base = params.q_offset + b * params.q_b + h * params.q_h + t * params.q_t;
    let k_base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    let v_base = params.v_offset + b * params.v_b + h / params.group * params.v_h;
    for (var d = lane; d < params.dims; d += WG) { query[d] = params.scale * q[q_base + d * params.q_d]; }
    workgroupBarrier();

    let first = place % SPLITS * CHUNK;
    let last = min(first + CHUNK, visible(t));
    var m = MASKED;
    var l = 0.0;
    var o = vec4(0.0);   // columns lane, lane + 64, lane + 128 and lane + 192
    for (var j0 = first; j0 < last; j0 += TILE) {
        let j = j0 + 4u * lane;
        var s = vec4(0.0);
        if (j < last) {
            let at = k_base + min(j + vec4(0u, 1u, 2u, 3u), vec4(params.keys - 1u)) * params.k_s;
            for (var d = 0u; d < params.dims; d++) {
                let i = at + d * params.k_d;
                s += query[d] * vec4(key_at(i.x), key_at(i.y), key_at(i.z), key_at(i.w));
            }
        }
        s = select(score(s, b, h, t, j), vec4(MASKED), j + vec4(0u, 1u, 2u, 3u) >= vec4(last));
        scores[lane] = s;
        workgroupBarrier();
        let before = m;
        for (var i = 0u; i < WG; i++) { m = max(m, largest(scores[i])); }
        workgroupBarrier();
        scores[lane] = weight(s, m);
        workgroupBarrier();
        let shrink = exp2(before - m);
        l *= shrink;
        o *= shrink;
        for (var i = 0u; i < min(TILE, last - j0); i++) {
            let v_row = v_base + (j0 + i) * params.v_s + lane * params.v_d;
            let w = scores[i / 4u][i % 4u];
            l += w;
            if (lane < params.columns) { o.x += w * value_at(v_row); }
            if (lane + WG < params.columns) { o.y += w * value_at(v_row + WG * params.v_d); }
            if (lane + 2u * WG < params.columns) { o.z += w * value_at(v_row + 2u * WG * params.v_d); }
            if (lane + 3u * WG < params.columns) { o.w += w * value_at(v_row + 3u * WG * params.v_d); }
        }
        workgroupBarrier();
    }

    let out = place * (params.columns + 2u);
    if (lane == 0u) {
        partial[out] = m;
        partial[out + 1u] = l;
    }
    // @unroll
    for (var i = 0u; i < 4u; i++) {
        if (lane + i * WG < params.columns) { partial[out + 2u + lane + i * WG] = o[i]; }
    }
}

@compute @workgroup_size(WG)
fn attention_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    let t = row % params.rows;
    let h = row / params.rows % params.heads;
    let b = row / params.rows / params.heads;
    if (b >= params.batch) { return; }
    let pitch = params.columns + 2u;
    let base = row * SPLITS * pitch;
    var m = MASKED;
    for (var i = 0u; i < SPLITS; i++) { m = max(m, partial[base + i * pitch]); }
    var l = 0.0;
    for (var i = 0u; i < SPLITS; i++) {
        let at = base + i * pitch;
        l += exp2(partial[at] - m) * partial[at + 1u];
    }
    for (var d = lane; d < params.columns; d += WG) {
        var o = 0.0;
        for (var i = 0u; i < SPLITS; i++) {
            let at = base + i * pitch;
            o += exp2(partial[at] - m) * partial[at + 2u + d];
        }
        y[((b * params.rows + t) * params.heads + h) * params.columns + d] = select(0.0, o / l, l > 0.0);
    }
    if (lane == 0u) { lse[row] = log_sum(m, l); }
}

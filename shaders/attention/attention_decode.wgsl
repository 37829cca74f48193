// attention_decode — attention of a few queries against caches of keys and values.
//
//   y[t] = Σ_j p[t,j] · v[j],  p[t] = softmax_j(scale · q[t]·k[j])  over  j < length − (T − 1 − t), key_mask[j] ≠ 0
//
// The keys of a query are split over workgroups; each writes its maximum m, its sum l of exp(s − m) and its
// sum of exp(s − m)·v, and a second step merges them. A query that may attend to nothing gives 0.
//
// Paper     Dao et al. 2023, "Flash-Decoding for long-context inference"; Dao et al. 2022, arXiv:2205.14135
// Shapes    q (B,H,T,D)  cache_k (B,KH,MAX,D)  cache_v (B,KH,MAX,DV)  length (1) or (B)  key_mask (B,MAX)
//           →  y (B,T,H,DV);  query head h reads key head h / (H/KH); D and DV at most 256
// Grid      attention_decode: one workgroup per query and split of `chunk` keys, lanes first over keys, then over
//           columns; attention_decode_merge: one per query
// Numerics  f32 sums in the order of keys; exp2 with log2(e) in the scale
// Cost      reads the filled part of the caches once per query head

// @import lib/grid

struct Params {
    batch: u32, heads: u32, group: u32, rows: u32, max: u32, splits: u32, chunk: u32, length_b: u32, scale: f32,
    q_b: u32, q_h: u32, q_t: u32, q_d: u32, q_offset: u32,
    k_b: u32, k_h: u32, k_s: u32, k_d: u32, k_offset: u32,
    v_b: u32, v_h: u32, v_s: u32, v_d: u32, v_offset: u32,
    mask_b: u32, mask_s: u32, mask_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;               // (B,H,T,D) any strides
@group(0) @binding(2) var<storage, read> cache_k: array<u32>;         // (B,KH,MAX,D) any strides, f32 or f16
@group(0) @binding(3) var<storage, read> cache_v: array<u32>;         // (B,KH,MAX,DV) any strides, f32 or f16
@group(0) @binding(4) var<storage, read> length: array<i32>;          // (1) or (B)
@group(0) @binding(5) var<storage, read> key_mask: array<i32>;        // (B,MAX) any strides, optional
@group(0) @binding(6) var<storage, read_write> y: array<f32>;         // (B,T,H,DV)
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;   // (B·H·T, splits, 2 + DV): m, l, Σ exp(s − m)·v

override D: u32;
override DV: u32;
override HAS_KEY_MASK: bool;
override CACHE_K_F16: bool;
override CACHE_V_F16: bool;

const WG = 64u;
const MASKED = -1.4426950408889634e38;   // −1e38 in base 2

var<workgroup> visible: u32;
var<workgroup> scores: array<f32, WG>;
var<workgroup> query: array<f32, 256>;

fn key_at(i: u32) -> f32 {
    if (CACHE_K_F16) { return unpack2x16float(cache_k[i >> 1u])[i & 1u]; }
    return bitcast<f32>(cache_k[i]);
}

fn value_at(i: u32) -> f32 {
    if (CACHE_V_F16) { return unpack2x16float(cache_v[i >> 1u])[i & 1u]; }
    return bitcast<f32>(cache_v[i]);
}

@compute @workgroup_size(WG)
fn attention_decode(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let row = place / params.splits;
    let t = row % params.rows;
    let h = row / params.rows % params.heads;
    let b = row / params.rows / params.heads;
    if (b >= params.batch) { return; }   // uniform: place is the same in the whole workgroup
    let q_base = params.q_offset + b * params.q_b + h * params.q_h + t * params.q_t;
    let k_base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    let v_base = params.v_offset + b * params.v_b + h / params.group * params.v_h;
    for (var d = lane; d < D; d += WG) { query[d] = params.scale * q[q_base + d * params.q_d]; }
    if (lane == 0u) {
        let seen = length[b * params.length_b] - i32(params.rows - 1u - t);
        visible = min(u32(max(seen, 0)), params.max);
    }
    let end = workgroupUniformLoad(&visible);
    let first = place % params.splits * params.chunk;
    let last = min(first + params.chunk, end);

    var m = MASKED;
    var l = 0.0;
    var o = vec4(0.0);   // columns lane, lane + 64, lane + 128 and lane + 192
    for (var j0 = first; j0 < last; j0 += WG) {
        let j = j0 + lane;
        var open = j < last;
        if (HAS_KEY_MASK) {
            if (open) { open = key_mask[params.mask_offset + b * params.mask_b + j * params.mask_s] != 0; }
        }
        var s = MASKED;
        if (open) {
            let k_row = k_base + j * params.k_s;
            s = 0.0;
            for (var d = 0u; d < D; d++) { s += query[d] * key_at(k_row + d * params.k_d); }
            s = max(s, MASKED);
        }
        scores[lane] = s;
        workgroupBarrier();
        let before = m;
        for (var i = 0u; i < WG; i++) { m = max(m, scores[i]); }
        let p = select(0.0, exp2(s - m), s > MASKED);
        workgroupBarrier();
        scores[lane] = p;
        workgroupBarrier();
        let shrink = exp2(before - m);
        l *= shrink;
        o *= shrink;
        for (var i = 0u; i < min(WG, last - j0); i++) {
            let v_row = v_base + (j0 + i) * params.v_s;
            let w = scores[i];
            l += w;
            if (lane < DV) { o.x += w * value_at(v_row + lane * params.v_d); }
            if (lane + WG < DV) { o.y += w * value_at(v_row + (lane + WG) * params.v_d); }
            if (lane + 2u * WG < DV) { o.z += w * value_at(v_row + (lane + 2u * WG) * params.v_d); }
            if (lane + 3u * WG < DV) { o.w += w * value_at(v_row + (lane + 3u * WG) * params.v_d); }
        }
        workgroupBarrier();
    }

    let out = place * (DV + 2u);
    if (lane == 0u) {
        partial[out] = m;
        partial[out + 1u] = l;
    }
    for (var i = 0u; i < 4u; i++) {
        let d = lane + i * WG;
        if (d < DV) { partial[out + 2u + d] = o[i]; }
    }
}

@compute @workgroup_size(WG)
fn attention_decode_merge(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    let t = row % params.rows;
    let h = row / params.rows % params.heads;
    let b = row / params.rows / params.heads;
    if (b >= params.batch) { return; }
    let base = row * params.splits * (DV + 2u);
    var m = MASKED;
    for (var i = 0u; i < params.splits; i++) { m = max(m, partial[base + i * (DV + 2u)]); }
    for (var d = lane; d < DV; d += WG) {
        var l = 0.0;
        var o = 0.0;
        for (var i = 0u; i < params.splits; i++) {
            let at = base + i * (DV + 2u);
            let share = exp2(partial[at] - m);
            l += share * partial[at + 1u];
            o += share * partial[at + 2u + d];
        }
        y[((b * params.rows + t) * params.heads + h) * DV + d] = select(0.0, o / l, l > 0.0);
    }
}

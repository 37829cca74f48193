// What the variants of attention share: sizes, bindings, strided access.

// @import lib/attention_scores

struct Params {
    batch: u32, heads: u32, group: u32, rows: u32, keys: u32, dims: u32, columns: u32, tiles: u32,
    scale: f32, causal: u32,
    q_b: u32, q_h: u32, q_t: u32, q_d: u32, q_offset: u32,
    k_b: u32, k_h: u32, k_s: u32, k_d: u32, k_offset: u32,
    v_b: u32, v_h: u32, v_s: u32, v_d: u32, v_offset: u32,
    bias_b: u32, bias_h: u32, bias_t: u32, bias_s: u32, bias_offset: u32,
    mask_b: u32, mask_s: u32, mask_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;           // (B,H,T,D) any strides
@group(0) @binding(2) var<storage, read> k: array<u32>;           // (B,KH,S,D) any strides, f32 or f16
@group(0) @binding(3) var<storage, read> v: array<u32>;           // (B,KH,S,DV) any strides, f32 or f16
@group(0) @binding(4) var<storage, read> bias: array<f32>;        // (B,H,T,S) any strides, optional
@group(0) @binding(5) var<storage, read> key_mask: array<i32>;    // (B,S) any strides, optional
@group(0) @binding(6) var<storage, read_write> y: array<f32>;     // (B,T,H,DV)
@group(0) @binding(7) var<storage, read_write> lse: array<f32>;   // (B,H,T)

override K_F16: bool;
override V_F16: bool;

const LN_2 = 0.6931471805599453;
const NOTHING = -3.4028234663852886e38;   // log-sum-exp of a row that may attend to nothing

fn key_at(i: u32) -> f32 {
    if (K_F16) { return unpack2x16float(k[i >> 1u])[i & 1u]; }
    return bitcast<f32>(k[i]);
}

fn value_at(i: u32) -> f32 {
    if (V_F16) { return unpack2x16float(v[i >> 1u])[i & 1u]; }
    return bitcast<f32>(v[i]);
}

fn largest(s: vec4<f32>) -> f32 { return max(max(s.x, s.y), max(s.z, s.w)); }

fn log_sum(m: f32, l: f32) -> f32 {
    if (l > 0.0) { return LN_2 * (m + log2(l)); }
    return NOTHING;
}

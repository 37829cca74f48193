// What the variants of attention share: bindings, strided access, masks. Scores are in base 2, log2(e) times
// those of the formula, so that weights are exp2.

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

override HAS_BIAS: bool;
override HAS_KEY_MASK: bool;
override K_F16: bool;
override V_F16: bool;

const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;
const MASKED = -1.4426950408889634e38;    // a score at or below this is masked: −1e38 in base 2
const NOTHING = -3.4028234663852886e38;   // log-sum-exp of a row that may attend to nothing

fn key_at(i: u32) -> f32 {
    if (K_F16) { return unpack2x16float(k[i >> 1u])[i & 1u]; }
    return bitcast<f32>(k[i]);
}

fn value_at(i: u32) -> f32 {
    if (V_F16) { return unpack2x16float(v[i >> 1u])[i & 1u]; }
    return bitcast<f32>(v[i]);
}

// How many keys query t may see.
fn visible(t: u32) -> u32 {
    if (params.causal == 0u) { return params.keys; }
    if (t + 1u + params.keys <= params.rows) { return 0u; }
    return min(params.keys, t + 1u + params.keys - params.rows);
}

fn masked(b: u32, j: u32) -> bool {
    return key_mask[params.mask_offset + b * params.mask_b + min(j, params.keys - 1u) * params.mask_s] == 0;
}

// The scores of query t and keys j … j + 3 from their scaled products s; MASKED for a key that t may not see.
fn score(s: vec4<f32>, b: u32, h: u32, t: u32, j: u32) -> vec4<f32> {
    let keys = j + vec4(0u, 1u, 2u, 3u);
    var closed = keys >= vec4(visible(t));
    var r = s;
    if (HAS_BIAS) {
        let row = params.bias_offset + b * params.bias_b + h * params.bias_h + min(t, params.rows - 1u) * params.bias_t;
        let at = row + min(keys, vec4(params.keys - 1u)) * params.bias_s;
        r += LOG2_E * max(vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]), vec4(-2e38));
    }
    if (HAS_KEY_MASK) {
        closed |= vec4(masked(b, j), masked(b, j + 1u), masked(b, j + 2u), masked(b, j + 3u));
    }
    return select(max(r, vec4(MASKED)), vec4(MASKED), closed);
}

// exp(s − m), 0 where masked.
fn weight(s: vec4<f32>, m: f32) -> vec4<f32> {
    return select(vec4(0.0), exp2(s - m), s > vec4(MASKED));
}

fn largest(s: vec4<f32>) -> f32 { return max(max(s.x, s.y), max(s.z, s.w)); }

fn log_sum(m: f32, l: f32) -> f32 {
    if (l > 0.0) { return LN_2 * (m + log2(l)); }
    return NOTHING;
}

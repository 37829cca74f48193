// Which keys a query sees, and its scores: what attention and its gradients share. Scores are in base 2, log2(e) times
// those of the formula, so that weights are exp2. The importing file declares the sizes, strides and bindings.

override HAS_BIAS: bool;
override HAS_KEY_MASK: bool;

const LOG2_E = 1.4426950408889634;
const MASKED = -1.4426950408889634e38;    // a score at or below this is masked: −1e38 in base 2

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

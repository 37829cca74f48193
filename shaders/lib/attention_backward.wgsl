// What the gradients of attention share: sizes, bindings and weights. With s the scores, as in attention.wgsl, and lse
// and delta those of attention_backward_delta.wgsl:
//
//   p[t,j]  = exp(s[t,j] − lse[t])
//   ds[t,j] = p[t,j] · (Σ_c d_y[t,c] · v[j,c] − delta[t])        the gradient of s
//
// The importing file declares the output.

// @import lib/attention_scores

struct Params {
    batch: u32, heads: u32, group: u32, rows: u32, keys: u32, dims: u32, columns: u32,
    scale: f32, scale_2: f32, causal: u32,
    q_b: u32, q_h: u32, q_t: u32, q_d: u32, q_offset: u32,
    k_b: u32, k_h: u32, k_s: u32, k_d: u32, k_offset: u32,
    v_b: u32, v_h: u32, v_s: u32, v_d: u32, v_offset: u32,
    bias_b: u32, bias_h: u32, bias_t: u32, bias_s: u32, bias_offset: u32,
    mask_b: u32, mask_s: u32, mask_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;                // scale_2 is scale in base 2
@group(0) @binding(1) var<storage, read> q: array<f32>;           // (B,H,T,D) any strides
@group(0) @binding(2) var<storage, read> k: array<f32>;           // (B,KH,S,D) any strides
@group(0) @binding(3) var<storage, read> v: array<f32>;           // (B,KH,S,DV) any strides
@group(0) @binding(4) var<storage, read> bias: array<f32>;        // (B,H,T,S) any strides, optional
@group(0) @binding(5) var<storage, read> key_mask: array<i32>;    // (B,S) any strides, optional
@group(0) @binding(6) var<storage, read> delta: array<f32>;       // (B,H,T,2): lse and delta
@group(0) @binding(7) var<storage, read> d_y: array<f32>;         // (B,T,H,DV)

const Q = 0u;
const K = 1u;
const V = 2u;
const D_Y = 3u;

// A matrix in one of the buffers: element (r, c) at base + r·row + c·column.
struct Matrix { buffer: u32, base: u32, row: u32, column: u32, rows: u32, columns: u32 }

fn queries(b: u32, h: u32) -> Matrix {
    return Matrix(Q, params.q_offset + b * params.q_b + h * params.q_h, params.q_t, params.q_d, params.rows, params.dims);
}

fn keys_of(b: u32, h: u32) -> Matrix {
    let base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    return Matrix(K, base, params.k_s, params.k_d, params.keys, params.dims);
}

fn values_of(b: u32, h: u32) -> Matrix {
    let base = params.v_offset + b * params.v_b + h / params.group * params.v_h;
    return Matrix(V, base, params.v_s, params.v_d, params.keys, params.columns);
}

fn gradients(b: u32, h: u32) -> Matrix {
    let base = (b * params.rows * params.heads + h) * params.columns;
    return Matrix(D_Y, base, params.heads * params.columns, 1u, params.rows, params.columns);
}

// 0 outside.
fn element(m: Matrix, r: u32, c: u32) -> f32 {
    if (r >= m.rows || c >= m.columns) { return 0.0; }
    let i = m.base + r * m.row + c * m.column;
    switch (m.buffer) {
        case Q: { return q[i]; }
        case K: { return k[i]; }
        case V: { return v[i]; }
        default: { return d_y[i]; }
    }
}

// Column c of rows r … r + 3.
fn four_rows(m: Matrix, r: u32, c: u32) -> vec4<f32> {
    return vec4(element(m, r, c), element(m, r + 1u, c), element(m, r + 2u, c), element(m, r + 3u, c));
}

// Columns c … c + 3 of row r.
fn four_columns(m: Matrix, r: u32, c: u32) -> vec4<f32> {
    return vec4(element(m, r, c), element(m, r, c + 1u), element(m, r, c + 2u), element(m, r, c + 3u));
}

// p of query t and keys j … j + 3, from the products s of query and keys; 0 past the last query.
fn weight_of(s: vec4<f32>, b: u32, h: u32, t: u32, j: u32) -> vec4<f32> {
    if (t >= params.rows) { return vec4(0.0); }
    let lse = delta[2u * ((b * params.heads + h) * params.rows + t)];
    return weight(score(params.scale_2 * s, b, h, t, j), LOG2_E * lse);
}

fn delta_of(b: u32, h: u32, t: u32) -> f32 {
    return delta[2u * ((b * params.heads + h) * params.rows + min(t, params.rows - 1u)) + 1u];
}

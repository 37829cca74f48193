// What the gradients of attention share: sizes, bindings, and products of tiles. With s the scores, as in
// attention.wgsl, and lse and delta those of attention_backward_delta.wgsl:
//
//   p[t,j]  = exp(s[t,j] − lse[t])
//   ds[t,j] = p[t,j] · (Σ_c d_y[t,c] · v[j,c] − delta[t])        the gradient of s
//
// A workgroup of 8 × 16 lanes makes tiles of 32 × 64, each lane 4 × 4. The importing file declares the output.

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

const WG = 128u;
const FEW = 32u;     // rows of a tile
const MANY = 64u;    // columns of a tile, and of a block of the output
const STEP = 16u;    // terms of a sum that are loaded together
const MOST = 4u;     // blocks of columns of a workgroup at most

const Q = 0u;
const K = 1u;
const V = 2u;
const D_Y = 3u;

var<workgroup> left: array<vec4<f32>, 128>;      // (STEP, FEW/4)
var<workgroup> right: array<vec4<f32>, 256>;     // (STEP, MANY/4)
var<workgroup> weights: array<vec4<f32>, 512>;   // (MANY, FEW/4)

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

// The products of rows a0 + 4·ty … of a, and b0 + 4·tx … of b: a column of the result for each row of a.
fn products(a: Matrix, a0: u32, b: Matrix, b0: u32, ty: u32, tx: u32) -> mat4x4<f32> {
    var s = array<vec4<f32>, 4>();
    for (var c0 = 0u; c0 < a.columns; c0 += STEP) {
        let c = c0 + tx;
        workgroupBarrier();
        let r = a0 + 4u * ty;
        left[tx * 8u + ty] = vec4(element(a, r, c), element(a, r + 1u, c), element(a, r + 2u, c), element(a, r + 3u, c));
        for (var half = 0u; half < 16u; half += 8u) {
            let j = b0 + 4u * (ty + half);
            right[tx * 16u + ty + half] =
                vec4(element(b, j, c), element(b, j + 1u, c), element(b, j + 2u, c), element(b, j + 3u, c));
        }
        workgroupBarrier();
        for (var four = 0u; four < STEP; four += 4u) {
            // @unroll
            for (var i = 0u; i < 4u; i++) {
                let x = left[(four + i) * 8u + ty];
                let y = right[(four + i) * 16u + tx];
                s[0] += x.x * y; s[1] += x.y * y; s[2] += x.z * y; s[3] += x.w * y;
            }
        }
    }
    return mat4x4(s[0], s[1], s[2], s[3]);
}

// Stores the four columns of `by_column`, of four rows each, at this lane's place of the tile of weights.
fn keep(by_column: mat4x4<f32>, ty: u32, tx: u32) {
    workgroupBarrier();
    var columns = by_column;
    // @unroll
    for (var i = 0u; i < 4u; i++) { weights[(4u * tx + i) * 8u + ty] = columns[i]; }
}

// Adds the weights times rows x0 … of x, columns from d0 on: o has `blocks` blocks of 4 rows × 4 columns.
fn add_weighted(o: ptr<function, array<vec4<f32>, 16>>, blocks: u32, x: Matrix, x0: u32, d0: u32, ty: u32, tx: u32) {
    // @unroll
    for (var block = 0u; block < MOST; block++) {
        if (block < blocks) {
            for (var j1 = 0u; j1 < MANY; j1 += STEP) {
                workgroupBarrier();
                for (var half = 0u; half < 16u; half += 8u) {
                    let j = x0 + j1 + ty + half;
                    let d = d0 + block * MANY + 4u * tx;
                    right[(ty + half) * 16u + tx] =
                        vec4(element(x, j, d), element(x, j, d + 1u), element(x, j, d + 2u), element(x, j, d + 3u));
                }
                workgroupBarrier();
                for (var four = 0u; four < STEP; four += 4u) {
                    // @unroll
                    for (var i = 0u; i < 4u; i++) {
                        let a = weights[(j1 + four + i) * 8u + ty];
                        let c = right[(four + i) * 16u + tx];
                        (*o)[4u * block] += a.x * c; (*o)[4u * block + 1u] += a.y * c;
                        (*o)[4u * block + 2u] += a.z * c; (*o)[4u * block + 3u] += a.w * c;
                    }
                }
            }
        }
    }
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

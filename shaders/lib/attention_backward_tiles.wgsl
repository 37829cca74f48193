// Products of tiles for the gradients of attention: a workgroup of 8 × 16 lanes makes tiles of 32 × 64, each lane 4 × 4.

// @import lib/attention_backward

const WG = 128u;
const FEW = 32u;     // rows of a tile
const MANY = 64u;    // columns of a tile, and of a block of the output
const STEP = 16u;    // terms of a sum that are loaded together
const MOST = 4u;     // blocks of columns of a workgroup at most

var<workgroup> left: array<vec4<f32>, 128>;      // (STEP, FEW/4)
var<workgroup> right: array<vec4<f32>, 256>;     // (STEP, MANY/4)
var<workgroup> weights: array<vec4<f32>, 512>;   // (MANY, FEW/4)

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

// Tiles of matmul's operands, 64 rows or columns by 16 of the inner size, for variants whose workgroups share them. The
// importing file declares params, a and w as lib/matmul has them.

override A_K_OUTERMOST: bool;   // neighbouring lanes load neighbours along m, else along k
override W_K_OUTERMOST: bool;   // neighbouring lanes load neighbours along n, else along k

const WG = 64u;
const TILE = 64u;
const BK = 16u;
const ROW = 17u;   // vec4 of a row of 64 and one of padding, against bank conflicts of the stores

var<workgroup> a_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), rows of y innermost
var<workgroup> w_tile: array<vec4<f32>, BK * ROW>;   // (BK, 64), columns of y innermost

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

// Four rows of a at one k; 0 outside. Tiles take whole vectors: WGSL lets a store to one component touch its
// neighbours, which other lanes own.
fn a_four(start: u32, row: u32, k: u32) -> vec4<f32> {
    var v = vec4<f32>();
    let i = start + row * params.a_row + k * params.a_col;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (k < params.k && row + j < params.m) { v[j] = a[i + j * params.a_row]; }
    }
    return v;
}

// Four columns of w at one k; 0 outside.
fn w_four(start: u32, column: u32, k: u32) -> vec4<f32> {
    var v = vec4<f32>();
    let i = start + k * params.w_row + column * params.w_col;
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (k < params.k && column + j < params.columns) { v[j] = weight(i + j * params.w_col); }
    }
    return v;
}

// What the variants of matmul share: sizes and strides, where a batch starts, and the epilogue. The
// importing file declares the bindings, b and residual among them.

// @import lib/activation
// @import lib/strided

struct Params {
    m: u32, n: u32, k: u32, count: u32,
    first: u32, columns: u32,                                   // the columns of y this dispatch writes
    a_row: u32, a_col: u32, w_row: u32, w_col: u32, scale: f32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, a_offset: u32,
    w0: u32, w1: u32, w2: u32, w3: u32, w4: u32, w5: u32, w6: u32, w7: u32, w_offset: u32,
}

override HAS_B: bool;
override HAS_RESIDUAL: bool;
override EPILOGUE: bool;   // false: y is the plain sum
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;
override W_F16: bool;

fn a_start(c: Coordinates) -> u32 {
    return params.a_offset + c.c0 * params.a0 + c.c1 * params.a1 + c.c2 * params.a2 + c.c3 * params.a3
        + c.c4 * params.a4 + c.c5 * params.a5 + c.c6 * params.a6 + c.c7 * params.a7;
}

fn w_start(c: Coordinates) -> u32 {
    return params.w_offset + c.c0 * params.w0 + c.c1 * params.w1 + c.c2 * params.w2 + c.c3 * params.w3
        + c.c4 * params.w4 + c.c5 * params.w5 + c.c6 * params.w6 + c.c7 * params.w7;
}

// The result at column `column` of y, whose element is y[i]. Where a lane holds many sums it copies
// them and finishes the copies in a loop: 64 copies of the activations would take drivers seconds to compile.
fn finish(acc: f32, column: u32, i: u32) -> f32 {
    var v = params.scale * acc;
    if (HAS_B) { v += b[column]; }
    v = activate(v, ACTIVATION);
    if (HAS_RESIDUAL) { v += residual[i]; }
    return activate(v, ACTIVATION_OUT);
}

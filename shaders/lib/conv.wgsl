// What the variants of conv2d share: sizes and the epilogue. The importing file declares the bindings, w, b
// and residual among them.

// @import lib/activation

struct Params {
    batch: u32, c: u32, h: u32, w_in: u32,
    o: u32, oh: u32, ow: u32, kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, top: u32, left: u32, dilation_h: u32, dilation_w: u32, groups: u32,
    scale: f32,
}

override HAS_B: bool;
override HAS_RESIDUAL: bool;
override EPILOGUE: bool;   // false: y is the plain sum
override ACTIVATION: u32;
override ACTIVATION_OUT: u32;
override W_F16: bool;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

// The result in channel `o`, whose element is y[i]. Where a lane holds many sums it copies them and
// finishes the copies in a loop: 64 copies of the activations would take drivers seconds to compile.
fn finish(acc: f32, o: u32, i: u32) -> f32 {
    var v = params.scale * acc;
    if (HAS_B) { v += b[o]; }
    v = activate(v, ACTIVATION);
    if (HAS_RESIDUAL) { v += residual[i]; }
    return activate(v, ACTIVATION_OUT);
}

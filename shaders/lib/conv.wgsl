// What the variants of conv2d share: weights and the epilogue, element by element. The importing file declares the
// bindings, w, b and residual among them.

// @import lib/activation
// @import lib/conv_sizes

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

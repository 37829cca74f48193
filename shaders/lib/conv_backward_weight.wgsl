// What the variants of conv2d_backward_weight share: sizes, and the sum over parts. The importing file declares
// d_w and part.

struct Params {
    batch: u32, c: u32, h: u32, w_in: u32,
    o: u32, oh: u32, ow: u32, kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, top: u32, left: u32, dilation_h: u32, dilation_w: u32, groups: u32,
    parts: u32,   // of the B·OH·OW pixels of d_y
    chunk: u32,   // pixels of a part
}

// Elements of d_w.
fn elements() -> u32 {
    return params.o * (params.c / params.groups) * params.kh * params.kw;
}

// Whether place `at`, counted from the first of the padding, is one of the `n` of x.
fn inside(at: u32, before: u32, n: u32) -> bool {
    return at >= before && at - min(at, before) < n;
}

// Writes element i of d_w.
fn sum_parts(i: u32) {
    if (i >= elements()) { return; }
    var acc = 0.0;
    for (var s = 0u; s < params.parts; s++) { acc += part[s * elements() + i]; }
    d_w[i] = acc;
}

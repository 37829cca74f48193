// What the variants of conv2d_backward_data and conv_transpose2d share: sizes and phases. Rows r of the image whose
// r mod stride is the same are a phase: the same taps reach all of them, and rows one stride apart see neighbours of
// the source. Names are the gradient's: the source, d_y, is o × oh × ow, and the image, d_x, is c × h × w_in. The
// importing file declares w.

struct Params {
    batch: u32, c: u32, h: u32, w_in: u32,
    o: u32, oh: u32, ow: u32, kh: u32, kw: u32,
    stride_h: u32, stride_w: u32, top: u32, left: u32, dilation_h: u32, dilation_w: u32, groups: u32,
}

override W_F16: bool;

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

// Phases that have a row (a column) of `n`.
fn phases(n: u32, stride: u32) -> u32 {
    return min(n, stride);
}

// Rows of `n` in a phase; phase 0 has the most.
fn rows_of(n: u32, stride: u32, phase: u32) -> u32 {
    return (n - phase + stride - 1u) / stride;
}

// Whether tap `tap` (times the dilation) reaches a place `at` (counted from the first of the padding).
fn reaches(at: u32, tap: u32, stride: u32) -> bool {
    return at % stride == tap % stride;
}

// How many windows before place `at` the one lies whose tap `tap` is there; whole where the tap reaches.
fn windows_back(at: u32, tap: u32, stride: u32) -> i32 {
    return (i32(at) - i32(tap)) / i32(stride);
}

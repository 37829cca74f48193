// The windows of a pooling that cover an element of the image.

struct Params {
    n: u32,   // elements of d_x
    ih: u32, iw: u32, oh: u32, ow: u32, kh: u32, kw: u32, stride_h: u32, stride_w: u32,
    pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
}

// Windows first … end − 1 of one axis.
struct Covering { first: u32, end: u32 }

// Those that reach from at or before place `at` (counted from the first of the padding) to it; with a dilation,
// place `at` may lie between their elements.
fn covering(at: u32, size: u32, stride: u32, dilation: u32, count: u32) -> Covering {
    let before = at - min(at, dilation * (size - 1u));
    return Covering((before + stride - 1u) / stride, min(at / stride + 1u, count));
}

// The rows of windows that cover element `i` of d_x.
fn covering_rows(i: u32) -> Covering {
    let row = i / params.iw % params.ih + params.pad_h;
    return covering(row, params.kh, params.stride_h, params.dilation_h, params.oh);
}

// The columns of windows that cover element `i` of d_x.
fn covering_columns(i: u32) -> Covering {
    return covering(i % params.iw + params.pad_w, params.kw, params.stride_w, params.dilation_w, params.ow);
}

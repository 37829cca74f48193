// The sizes of a convolution and the switches of its epilogue.

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

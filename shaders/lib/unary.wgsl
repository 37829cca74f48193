// The functions of elementwise/unary, for one number. Needs lib/activation, lib/math and lib/wide.

fn neg_of(v: f32) -> f32 { return -v; }
fn abs_of(v: f32) -> f32 { return abs(v); }
fn sign_of(v: f32) -> f32 { return sign(v); }
fn sqrt_of(v: f32) -> f32 { return sqrt(v); }
fn rsqrt_of(v: f32) -> f32 { return inverseSqrt(v); }
fn square_of(v: f32) -> f32 { return v * v; }
fn reciprocal_of(v: f32) -> f32 { return 1.0 / v; }
fn floor_of(v: f32) -> f32 { return floor(v); }
fn relu_of(v: f32) -> f32 { return max(v, 0.0); }
fn silu_of(v: f32) -> f32 { return v * sigmoid_of(v); }
fn quick_gelu_of(v: f32) -> f32 { return v * sigmoid_of(1.702 * v); }

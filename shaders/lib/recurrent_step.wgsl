// What the steps of recurrent cells share: sizes and biases. The importing file declares params and b, and GATES, the
// blocks of `hidden` rows of w.

struct Params { rows: u32, hidden: u32, state: u32 }

override HAS_B: bool;
override W_F16: bool;

// The sums of unit j by gate, with biases.
fn with_bias(u: vec4<f32>, j: u32) -> vec4<f32> {
    var v = u;
    // @unroll
    for (var g = 0u; g < 4u; g++) {
        if (HAS_B && g < GATES) { v[g] += b[g * params.hidden + j]; }
    }
    return v;
}

// The gates of a long short-term memory and what they make. The importing file declares a, c and the outputs.

// @import lib/activation

const GATES = 4u;   // i, f, g, o

// Unit j of row `row`, to whose gates the state gives u.
fn finish(row: u32, j: u32, u: vec4<f32>) {
    let n = row * params.hidden + j;
    let i_at = row * 4u * params.hidden + j;   // f, g and o follow, `hidden` apart
    let f_at = i_at + params.hidden;
    let g_at = f_at + params.hidden;
    let o_at = g_at + params.hidden;
    let i = sigmoid_of(a[i_at] + u.x);
    let f = sigmoid_of(a[f_at] + u.y);
    let g = tanh_of(a[g_at] + u.z);
    let o = sigmoid_of(a[o_at] + u.w);
    let cell = f * c[n] + i * g;
    c_next[n] = cell;
    h_next[n] = o * tanh_of(cell);
    gates[i_at] = i;
    gates[f_at] = f;
    gates[g_at] = g;
    gates[o_at] = o;
}

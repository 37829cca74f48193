// The gates of gated recurrent units and what they make. The importing file declares a, before and the outputs.

// @import lib/activation

const GATES = 3u;   // r, z, n

// Unit j of row `row`, to whose gates the state gives u.
fn finish(row: u32, j: u32, u: vec4<f32>) {
    let i = row * params.hidden + j;
    let r_at = row * 3u * params.hidden + j;   // z and n follow, `hidden` apart
    let z_at = r_at + params.hidden;
    let n_at = z_at + params.hidden;
    let r = sigmoid_of(a[r_at] + u.x);
    let z = sigmoid_of(a[z_at] + u.y);
    let n = tanh_of(a[n_at] + r * u.z);
    h_next[i] = (1.0 - z) * n + z * before[i];
    gates[r_at] = r;
    gates[z_at] = z;
    gates[n_at] = n;
}

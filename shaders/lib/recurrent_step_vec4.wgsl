// The product of a step for CPU adapters, in vectors of four along the state: a lane owns a unit of ROWS rows, so that
// the state is read at addresses all lanes share. The importing file declares h and w, and `finish(row, j, u)`, which
// makes unit j of a row of the product's sums by gate.

// @import lib/recurrent_step

override ROWS: u32;   // 1 or 4

const WG = 16u;

// Vector i of w.
fn weights(i: u32) -> vec4<f32> {
    if (W_F16) {
        let eight = w[i >> 1u];
        let half = select(eight.xy, eight.zw, (i & 1u) != 0u);
        return vec4<f32>(unpack2x16float(half.x), unpack2x16float(half.y));
    }
    return bitcast<vec4<f32>>(w[i]);
}

fn step_vec4(workgroup: u32, lane: u32) {
    let blocks = (params.rows + ROWS - 1u) / ROWS;
    let row = workgroup % blocks * ROWS;
    let j = workgroup / blocks * WG + lane;
    if (j >= params.hidden) { return; }
    let wide = params.state / 4u;
    // Rows past the end repeat the last and are not written.
    let at = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u)) * wide;
    var acc: array<vec4<f32>, 4>;   // by gate, over the rows
    for (var k = 0u; k < wide; k++) {
        let v0 = h[at.x + k];
        var v1 = vec4<f32>(); var v2 = vec4<f32>(); var v3 = vec4<f32>();
        if (ROWS > 1u) { v1 = h[at.y + k]; v2 = h[at.z + k]; v3 = h[at.w + k]; }
        // @unroll
        for (var g = 0u; g < 4u; g++) {
            if (g < GATES) {
                let f = weights((g * params.hidden + j) * wide + k);
                acc[g].x += dot(f, v0);
                if (ROWS > 1u) { acc[g].y += dot(f, v1); acc[g].z += dot(f, v2); acc[g].w += dot(f, v3); }
            }
        }
    }
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        if (r < ROWS && row + r < params.rows) {
            finish(row + r, j, with_bias(vec4<f32>(acc[0][r], acc[1][r], acc[2][r], acc[3][r]), j));
        }
    }
}

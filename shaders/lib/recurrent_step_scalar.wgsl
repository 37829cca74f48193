// The product of a step, element by element: an invocation a unit and row, or a workgroup a unit and four rows. The
// importing file declares h and w, and `finish(row, j, u)`, which makes unit j of a row of the product's sums by gate.

// @import lib/recurrent_step

const WG = 64u;

var<workgroup> partial: array<vec4<f32>, 4u * WG>;   // by gate and lane, over four rows

fn weight(i: u32) -> f32 {
    if (W_F16) { return unpack2x16float(w[i >> 1u])[i & 1u]; }
    return bitcast<f32>(w[i]);
}

fn step(i: u32) {
    let row = i / params.hidden;
    let j = i % params.hidden;
    if (row >= params.rows) { return; }
    var u = vec4<f32>();
    for (var k = 0u; k < params.state; k++) {
        let v = h[row * params.state + k];
        // @unroll
        for (var g = 0u; g < 4u; g++) {
            if (g < GATES) { u[g] += v * weight((g * params.hidden + j) * params.state + k); }
        }
    }
    finish(row, j, with_bias(u, j));
}

fn step_matvec(workgroup: u32, lane: u32) {
    let blocks = (params.rows + 3u) / 4u;
    let j = workgroup / blocks;
    if (j >= params.hidden) { return; }   // uniform: the same in the whole workgroup
    let row = workgroup % blocks * 4u;
    // Rows past the end repeat the last and are not written.
    let at = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u)) * params.state;
    var acc: array<vec4<f32>, 4>;   // by gate, over the rows
    for (var k = lane; k < params.state; k += WG) {
        let v = vec4<f32>(h[at.x + k], h[at.y + k], h[at.z + k], h[at.w + k]);
        // @unroll
        for (var g = 0u; g < 4u; g++) {
            if (g < GATES) { acc[g] += weight((g * params.hidden + j) * params.state + k) * v; }
        }
    }
    // @unroll
    for (var g = 0u; g < 4u; g++) { partial[g * WG + lane] = acc[g]; }
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            // @unroll
            for (var g = 0u; g < 4u; g++) { partial[g * WG + lane] += partial[g * WG + lane + half]; }
        }
        workgroupBarrier();
    }
    if (lane < 4u && row + lane < params.rows) {
        let u = vec4<f32>(partial[0u][lane], partial[WG][lane], partial[2u * WG][lane], partial[3u * WG][lane]);
        finish(row + lane, j, with_bias(u, j));
    }
}

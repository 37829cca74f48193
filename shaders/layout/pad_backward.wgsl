// pad_backward — the gradient of a padding along one axis: each element of x gets what arrives at its copies.
//
//   d_x[o,c,i] = Σ d_y[o,k,i] over the k that pad fills with element c: before + c, and
//     reflect    before − c for 0 < c ≤ before;  before + 2(M − 1) − c for M − 1 − after ≤ c < M − 1
//     replicate  0 .. before for c = 0;  before + M .. N for c = M − 1
//     circular   before + c − M for c ≥ M − before;  before + c + M for c < after
//
// Shapes    d_y (O,N,I)  →  d_x (O,M,I), N = before + M + after
// Grid      one invocation per element of d_x
// Numerics  f32 sums in the order above; one addend is copied
// Cost      reads O·N·I, writes O·M·I floats

// @import lib/grid

struct Params { n: u32, inner: u32, m: u32, padded: u32, before: u32, after: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;         // (O,N,I)
@group(0) @binding(2) var<storage, read_write> d_x: array<f32>;   // (O,M,I)

const WG = 64u;
const REFLECT = 1u;
const REPLICATE = 2u;
const CIRCULAR = 3u;
override MODE: u32;   // of the above, or 0: constant

@compute @workgroup_size(WG)
fn pad_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let inner = params.inner;
    let m = params.m;
    let before = params.before;
    let after = params.after;
    let c = i / inner % m;
    let base = i / (m * inner) * params.padded * inner + i % inner;
    var sum = d_y[base + (before + c) * inner];
    if (MODE == REFLECT) {
        if (c > 0u && c <= before) { sum += d_y[base + (before - c) * inner]; }
        if (c + 1u < m && c + 1u + after >= m) { sum += d_y[base + (before + 2u * (m - 1u) - c) * inner]; }
    }
    if (MODE == REPLICATE) {
        if (c == 0u) { for (var k = 0u; k < before; k++) { sum += d_y[base + k * inner]; } }
        if (c + 1u == m) { for (var k = before + m; k < params.padded; k++) { sum += d_y[base + k * inner]; } }
    }
    if (MODE == CIRCULAR) {
        if (c + before >= m) { sum += d_y[base + (before + c - m) * inner]; }
        if (c < after) { sum += d_y[base + (before + c + m) * inner]; }
    }
    d_x[i] = sum;
}

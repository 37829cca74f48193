// cholesky — factors a symmetric positive definite matrix into a lower triangle times its transpose.
//
//   s[i,j] = a[i,j] − Σ_{k<j} l[i,k]·l[j,k]      i ≥ j
//   l[j,j] = √s[j,j]      l[i,j] = s[i,j] / l[j,j] below it      0 above it
//   info   = 0, or j + 1 of the first s[j,j] that is not above 0: from column j on l is NaN, on and below the diagonal
//
// Source    Golub, Van Loan 2013, Matrix computations, 4.2.5; info of LAPACK's spotrf
// Shapes    a (P,N,N), of which only the lower triangle is read  →  l (P,N,N)  info (P)
// Grid      one workgroup per matrix, a lane a row of the column at hand. Direct: one lane per matrix, no barrier
// Numerics  each sum in the order of k; the NaN is made of its bits and found by them
// Cost      reads and writes about N³/3 floats of l, through the cache; N³/3 flops a matrix

struct Params { count: u32, n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;             // (P,N,N)
@group(0) @binding(2) var<storage, read_write> l: array<f32>;       // (P,N,N)
@group(0) @binding(3) var<storage, read_write> info: array<i32>;    // (P)

const WG = 128u;
const LANES = 64u;   // matrices of a workgroup, direct
const MAX = 512u;

// @import lib/grid

var<workgroup> row: array<f32, MAX>;   // l[j,k], k < j
var<workgroup> pivot: f32;             // s[j,j]

// WGSL refuses a NaN that it can see.
fn not_a_number() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

// By its bits: a compiler may take it that there is no NaN.
fn above_zero(v: f32) -> bool {
    let bits = bitcast<u32>(v);
    return bits > 0u && bits <= 0x7f800000u;
}

// s[i,j], with row j in workgroup memory; `at` is l[i,0]. Eight terms an iteration: some drivers count iterations.
fn rest(at: u32, j: u32) -> f32 {
    var s = a[at + j];
    let whole = j / 8u * 8u;
    for (var k = 0u; k < whole; k += 8u) {
        // @unroll
        for (var e = 0u; e < 8u; e++) {
            s -= l[at + k + e] * row[k + e];
        }
    }
    for (var k = whole; k < j; k++) { s -= l[at + k] * row[k]; }
    return s;
}

@compute @workgroup_size(WG)
fn cholesky(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let matrix = flat_group(group, groups);
    if (matrix >= params.count) { return; }   // uniform: the same in the whole workgroup
    let n = params.n;
    let base = matrix * n * n;
    var failed = 0u;   // uniform: every lane reads the same pivot
    for (var j = 0u; j < n; j++) {
        for (var k = lane; k < j; k += WG) { row[k] = l[base + j * n + k]; }
        workgroupBarrier();
        if (failed == 0u) {
            for (var i = j + lane; i < n; i += WG) {
                let s = rest(base + i * n, j);
                if (i == j) { pivot = s; } else { l[base + i * n + j] = s; }
            }
        }
        workgroupBarrier();
        if (failed == 0u && !above_zero(pivot)) { failed = j + 1u; }
        let root = sqrt(max(pivot, 0.0));
        for (var i = j + lane; i < n; i += WG) {
            let at = base + i * n + j;
            if (failed > 0u) {
                l[at] = not_a_number();
            } else if (i == j) {
                l[at] = root;
            } else {
                l[at] = l[at] / root;
            }
            if (i > j) { l[base + j * n + i] = 0.0; }
        }
        storageBarrier();   // the next column reads its row, which other lanes wrote
        workgroupBarrier();
    }
    if (lane == 0u) { info[matrix] = i32(failed); }
}

// s[i,j], with all of l in storage; `at` is l[i,0] and `top` l[j,0].
fn rest_direct(at: u32, top: u32, j: u32) -> f32 {
    var s = a[at + j];
    let whole = j / 8u * 8u;
    for (var k = 0u; k < whole; k += 8u) {
        // @unroll
        for (var e = 0u; e < 8u; e++) {
            s -= l[at + k + e] * l[top + k + e];
        }
    }
    for (var k = whole; k < j; k++) { s -= l[at + k] * l[top + k]; }
    return s;
}

@compute @workgroup_size(LANES)
fn cholesky_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let matrix = flat_group(group, groups) * LANES + lane;
    if (matrix >= params.count) { return; }
    let n = params.n;
    let base = matrix * n * n;
    var failed = 0u;
    for (var j = 0u; j < n; j++) {
        let top = base + j * n;
        var root = 0.0;
        if (failed == 0u) {
            let s = rest_direct(top, top, j);
            if (above_zero(s)) { root = sqrt(s); } else { failed = j + 1u; }
        }
        for (var i = j; i < n; i++) {
            if (i > j) { l[top + i] = 0.0; }
            if (failed > 0u) {
                l[base + i * n + j] = not_a_number();
            } else if (i == j) {
                l[top + j] = root;
            } else {
                l[base + i * n + j] = rest_direct(base + i * n, top, j) / root;
            }
        }
    }
    info[matrix] = i32(failed);
}

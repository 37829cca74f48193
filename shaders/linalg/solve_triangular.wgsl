// solve_triangular — solves l·x = b, or lᵀ·x = b, for a lower triangle l.
//
//   x[i] = ( b[i] − Σ_{k<i} l[i,k]·x[k] ) / l[i,i]      i = 0, 1, …
//   x[i] = ( b[i] − Σ_{k>i} l[k,i]·x[k] ) / l[i,i]      i = N−1, N−2, …   (transposed)
//
// Source    Golub, Van Loan 2013, Matrix computations, 3.1.1 to 3.1.3
// Shapes    l (P,N,N), of which only the lower triangle is read  b (P,N,K)  →  x (P,N,K)
// Grid      one workgroup per column of b; a lane takes x[i] off the rows that are left. Direct: one lane per column
// Numerics  terms are taken off in the order in which the x[k] are found
// Cost      reads N²/2 floats of l a column, N² flops

struct Params { count: u32, n: u32, k: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> l: array<f32>;          // (P,N,N)
@group(0) @binding(2) var<storage, read> b: array<f32>;          // (P,N,K)
@group(0) @binding(3) var<storage, read_write> x: array<f32>;    // (P,N,K)

override TRANSPOSED: bool;

const WG = 64u;
const MAX = 512u;

// @import lib/grid

var<workgroup> left: array<f32, MAX>;   // b less the terms of the x[k] that are found

// The row that is solved as number `step`, from the top or from the bottom.
fn row_of(step: u32) -> u32 {
    if (TRANSPOSED) { return params.n - 1u - step; }
    return step;
}

// The element of l, or of its transpose, in row j and column i.
fn factor(base: u32, j: u32, i: u32) -> f32 {
    if (TRANSPOSED) { return l[base + i * params.n + j]; }
    return l[base + j * params.n + i];
}

@compute @workgroup_size(WG)
fn solve_triangular(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = flat_group(group, groups);
    if (column >= params.count * params.k) { return; }   // uniform: the same in the whole workgroup
    let n = params.n;
    let matrix = column / params.k;
    let base = matrix * n * n;
    let first = matrix * n * params.k + column % params.k;
    for (var i = lane; i < n; i += WG) { left[i] = b[first + i * params.k]; }
    workgroupBarrier();
    for (var step = 0u; step < n; step++) {
        let i = row_of(step);
        let found = left[i] / factor(base, i, i);
        if (lane == 0u) { x[first + i * params.k] = found; }
        for (var after = step + 1u + lane; after < n; after += WG) {
            let j = row_of(after);
            left[j] -= factor(base, j, i) * found;
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(WG)
fn solve_triangular_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = flat_group(group, groups) * WG + lane;
    if (column >= params.count * params.k) { return; }
    let n = params.n;
    let matrix = column / params.k;
    let base = matrix * n * n;
    let first = matrix * n * params.k + column % params.k;
    for (var step = 0u; step < n; step++) {
        let i = row_of(step);
        var s = b[first + i * params.k];
        for (var before = 0u; before < step; before++) {
            let k = row_of(before);
            s -= factor(base, i, k) * x[first + k * params.k];
        }
        x[first + i * params.k] = s / factor(base, i, i);
    }
}

// scatter_add — add rows into the rows of a table given by their ids.
//
//   y[v] = base[v] + Σ_{n: ids[n] = v} x[n],  added in the order of n
//
// Three steps without atomics: chain every n to the next row of the same id, copy the base, and let the first
// row of each id walk its chain.
//
// Shapes    x (N,C)  ids (N)  base (V,C)  →  y (V,C)
// Grid      scatter_add_chain: an invocation per n; scatter_add_base: per element of y; scatter_add: per (n,c)
// Numerics  f32 sums in the order of n: the same bits on every run; ids outside 0..V add nothing
// Cost      N² ids, reads 2·V·C + N·C, writes 2·V·C; fine while N is a batch of tokens

// @import lib/grid

struct Params { n: u32, cols: u32, rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;             // (N,C)
@group(0) @binding(2) var<storage, read> ids: array<i32>;           // (N)
@group(0) @binding(3) var<storage, read> base: array<f32>;          // (V,C), optional
@group(0) @binding(4) var<storage, read_write> y: array<f32>;       // (V,C)
@group(0) @binding(5) var<storage, read_write> chain: array<u32>;   // (N,2): next row of the id or N; 1 if first

override HAS_BASE: bool;

const WG = 64u;

@compute @workgroup_size(WG)
fn scatter_add_chain(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = flat_group(group, groups) * WG + lane;
    if (n >= params.n) { return; }
    let id = ids[n];
    var first = id >= 0 && u32(max(id, 0)) < params.rows;
    for (var m = 0u; m < n && first; m++) {
        if (ids[m] == id) { first = false; }
    }
    var next = n + 1u;
    while (next < params.n) {
        if (ids[next] == id) { break; }
        next++;
    }
    chain[2u * n] = next;
    chain[2u * n + 1u] = u32(first);
}

@compute @workgroup_size(WG)
fn scatter_add_base(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.rows * params.cols) { return; }
    var v = 0.0;
    if (HAS_BASE) { v = base[i]; }
    y[i] = v;
}

@compute @workgroup_size(WG)
fn scatter_add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n * params.cols) { return; }
    let n = i / params.cols;
    let c = i % params.cols;
    if (chain[2u * n + 1u] == 0u) { return; }
    let at = u32(ids[n]) * params.cols + c;
    var sum = y[at];
    for (var m = n; m < params.n; m = chain[2u * m]) { sum += x[m * params.cols + c]; }
    y[at] = sum;
}

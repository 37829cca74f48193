// resize_bicubic_backward — the gradient of resize_bicubic: every output's goes to the sixteen elements it read.
//
//   d_x[p,r,q] = Σ_i Σ_j of_row(i,r) · of_column(j,q) · d_y[p,i,j]
//   of_row(i,r) = Σ_a row_weight[i,a] over the taps a in 0..4 whose row[i] − 1 + a, cut to the image, is r; columns
//   likewise
//
// Source    the adjoint of PyTorch F.interpolate(mode='bicubic')
// Shapes    d_y (P,OH,OW)  row (OH) i32, row_weight (OH,4), column (OW) i32, column_weight (OW,4)  →  d_x (P,IH,IW)
// Grid      one invocation per row and column of x for the ranges, per element of columns, per element of d_x
// Numerics  f32 sums over j for each i, then over i; every element gathers
// Cost      reads 4·P·OH·OW + 4·P·OH·IW, writes P·OH·IW + P·IH·IW floats, and the tables

// @import lib/grid
// @import lib/resize_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;             // (P,OH,OW)
@group(0) @binding(2) var<storage, read> row: array<i32>;             // (OH)
@group(0) @binding(3) var<storage, read> row_weight: array<f32>;      // (OH,4)
@group(0) @binding(4) var<storage, read> column: array<i32>;          // (OW)
@group(0) @binding(5) var<storage, read> column_weight: array<f32>;   // (OW,4)
@group(0) @binding(6) var<storage, read_write> d_x: array<f32>;       // (P,IH,IW)
@group(0) @binding(7) var<storage, read_write> range: array<u32>;     // (IH + IW,2)
@group(0) @binding(8) var<storage, read_write> columns: array<f32>;   // (P,OH,IW)

const WG = 64u;

// Which of the four taps of an output with this table entry lie at position `at` of `n`.
fn taps(entry: i32, at: u32, n: u32) -> vec4<bool> {
    let first = clamp(entry, -2, i32(n) + 1);   // far beyond the edge, every tap is the edge
    let four = clamp(vec4<i32>(first - 1) + vec4<i32>(0, 1, 2, 3), vec4<i32>(), vec4<i32>(i32(n) - 1));
    return four == vec4<i32>(i32(at));
}

fn share(weights: vec4<f32>, taken: vec4<bool>) -> f32 {
    let w = select(vec4<f32>(), weights, taken);
    return ((w.x + w.y) + w.z) + w.w;
}

fn reads_row(i: u32, r: u32) -> bool { return any(taps(row[i], r, params.ih)); }
fn reads_column(j: u32, q: u32) -> bool { return any(taps(column[j], q, params.iw)); }

fn of_row(i: u32, r: u32) -> f32 {
    let k = 4u * i;
    let w = vec4<f32>(row_weight[k], row_weight[k + 1u], row_weight[k + 2u], row_weight[k + 3u]);
    return share(w, taps(row[i], r, params.ih));
}

fn of_column(j: u32, q: u32) -> f32 {
    let k = 4u * j;
    let w = vec4<f32>(column_weight[k], column_weight[k + 1u], column_weight[k + 2u], column_weight[k + 3u]);
    return share(w, taps(column[j], q, params.iw));
}

@compute @workgroup_size(WG)
fn resize_bicubic_backward_ranges(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    find_range(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_bicubic_backward_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_columns(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_bicubic_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_rows(flat_group(group, groups) * WG + lane);
}

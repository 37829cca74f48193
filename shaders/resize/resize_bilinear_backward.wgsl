// resize_bilinear_backward — the gradient of resize_bilinear: every output's goes to the four elements it lies between.
//
//   d_x[p,r,q] = Σ_i Σ_j of_row(i,r) · of_column(j,q) · d_y[p,i,j]
//   of_row(i,r) = 1 − row_weight[i] at r = row[i], and row_weight[i] at r = min(row[i] + 1, IH − 1); columns likewise
//
// Source    the adjoint of PyTorch F.interpolate(mode='bilinear')
// Shapes    d_y (P,OH,OW)  row (OH) i32, row_weight (OH), column (OW) i32, column_weight (OW)  →  d_x (P,IH,IW)
// Grid      one invocation per row and column of x for the ranges, per element of columns, per element of d_x
// Numerics  f32 sums over j for each i, then over i; every element gathers
// Cost      reads 2·P·OH·OW + 2·P·OH·IW, writes P·OH·IW + P·IH·IW floats, and the tables

// @import lib/grid
// @import lib/resize_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;             // (P,OH,OW)
@group(0) @binding(2) var<storage, read> row: array<i32>;             // (OH)
@group(0) @binding(3) var<storage, read> row_weight: array<f32>;      // (OH)
@group(0) @binding(4) var<storage, read> column: array<i32>;          // (OW)
@group(0) @binding(5) var<storage, read> column_weight: array<f32>;   // (OW)
@group(0) @binding(6) var<storage, read_write> d_x: array<f32>;       // (P,IH,IW)
@group(0) @binding(7) var<storage, read_write> range: array<u32>;     // (IH + IW,2)
@group(0) @binding(8) var<storage, read_write> columns: array<f32>;   // (P,OH,IW)

const WG = 64u;

// The two positions of `n` that an output with this table entry lies between.
fn between(entry: i32, n: u32) -> vec2<u32> {
    let first = u32(clamp(entry, 0, i32(n) - 1));
    return vec2<u32>(first, min(first + 1u, n - 1u));
}

// What position `at` is to an output: at the edge, both of its positions.
fn share(entry: i32, weight: f32, at: u32, n: u32) -> f32 {
    let two = between(entry, n);
    return select(0.0, 1.0 - weight, two.x == at) + select(0.0, weight, two.y == at);
}

fn reads_row(i: u32, r: u32) -> bool { return any(between(row[i], params.ih) == vec2<u32>(r)); }
fn reads_column(j: u32, q: u32) -> bool { return any(between(column[j], params.iw) == vec2<u32>(q)); }
fn of_row(i: u32, r: u32) -> f32 { return share(row[i], row_weight[i], r, params.ih); }
fn of_column(j: u32, q: u32) -> f32 { return share(column[j], column_weight[j], q, params.iw); }

@compute @workgroup_size(WG)
fn resize_bilinear_backward_ranges(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    find_range(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_bilinear_backward_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_columns(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_bilinear_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_rows(flat_group(group, groups) * WG + lane);
}

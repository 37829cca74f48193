// resize_nearest_backward — the gradient of resize_nearest: every output's goes to the element it took.
//
//   d_x[p,r,q] = Σ_i Σ_j d_y[p,i,j] over row[i] = r, column[j] = q
//
// Source    the adjoint of PyTorch F.interpolate(mode='nearest')
// Shapes    d_y (P,OH,OW)  row (OH) i32  column (OW) i32  →  d_x (P,IH,IW);  planes P = B·C
// Grid      one invocation per row and column of x for the ranges, per element of columns, per element of d_x
// Numerics  f32 sums over j for each i, then over i; every element gathers
// Cost      reads 2·P·OH·OW + P·OH·IW, writes P·OH·IW + P·IH·IW floats, and the tables

// @import lib/grid
// @import lib/resize_backward

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_y: array<f32>;             // (P,OH,OW)
@group(0) @binding(2) var<storage, read> row: array<i32>;             // (OH)
@group(0) @binding(3) var<storage, read> column: array<i32>;          // (OW)
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;       // (P,IH,IW)
@group(0) @binding(5) var<storage, read_write> range: array<u32>;     // (IH + IW,2)
@group(0) @binding(6) var<storage, read_write> columns: array<f32>;   // (P,OH,IW)

const WG = 64u;

// Whether an output with this table entry takes position `at` of `n`.
fn takes(entry: i32, at: u32, n: u32) -> bool {
    return u32(clamp(entry, 0, i32(n) - 1)) == at;
}

fn reads_row(i: u32, r: u32) -> bool { return takes(row[i], r, params.ih); }
fn reads_column(j: u32, q: u32) -> bool { return takes(column[j], q, params.iw); }
fn of_row(i: u32, r: u32) -> f32 { return 1.0; }
fn of_column(j: u32, q: u32) -> f32 { return 1.0; }

@compute @workgroup_size(WG)
fn resize_nearest_backward_ranges(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    find_range(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_nearest_backward_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_columns(flat_group(group, groups) * WG + lane);
}

@compute @workgroup_size(WG)
fn resize_nearest_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    gather_rows(flat_group(group, groups) * WG + lane);
}

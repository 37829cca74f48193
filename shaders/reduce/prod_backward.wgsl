// prod_backward — the gradient of the product of every row: the product of the other elements.
//
//   d_x[r,c] = d_y[r] · Π_{k<c} x[r,k] · Π_{k>c} x[r,k]
//
// Shapes    x (R,C)  d_y (R)  →  d_x (R,C)
// Grid      one workgroup per row, a run of neighbours a lane. Direct: one lane per row, no barrier
// Numerics  no division, so that zeros need no case; order fixed by C and WG
// Cost      reads 3·R·C, writes 2·R·C and reads R·C floats of d_x; 5·R·C flops

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // (R,C)
@group(0) @binding(2) var<storage, read> d_y: array<f32>;         // (R)
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;   // (R,C)

const WG = 64u;

// @import lib/grid

var<workgroup> products: array<f32, WG>;

// Elements first .. end of d_x, given the products of what lies before and after them in the row. A lane keeps the
// products from the left in its own elements of d_x on the way.
fn products_of_others(first: u32, end: u32, before: f32, after: f32, d: f32) {
    var left = before;
    for (var i = first; i < end; i++) {
        d_x[i] = left;
        left *= x[i];
    }
    var right = after;
    for (var k = first; k < end; k++) {
        let i = end - 1u - (k - first);
        d_x[i] = d * (d_x[i] * right);
        right *= x[i];
    }
}

@compute @workgroup_size(WG)
fn prod_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let run = (params.cols + WG - 1u) / WG;
    let base = row * params.cols;
    let first = base + min(lane * run, params.cols);
    let end = base + min((lane + 1u) * run, params.cols);
    var product = 1.0;
    for (var i = first; i < end; i++) { product *= x[i]; }
    products[lane] = product;
    workgroupBarrier();
    var before = 1.0;
    for (var k = 0u; k < lane; k++) { before *= products[k]; }
    var after = 1.0;
    for (var k = lane + 1u; k < WG; k++) { after *= products[k]; }
    products_of_others(first, end, before, after, d_y[row]);
}

@compute @workgroup_size(WG)
fn prod_backward_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups) * WG + lane;
    if (row >= params.rows) { return; }
    products_of_others(row * params.cols, (row + 1u) * params.cols, 1.0, 1.0, d_y[row]);
}

// cooperative — two small products by one subgroup, whose matrices come in every order that kernels load them in.
//
//   y = a · w      z = a · vᵀ
//
// Shapes    a (S,2S)  w (2S,S)  v (S,2S) f16  →  y (S,S)  z (S,S)
// Grid      one workgroup of one subgroup
// Numerics  f16 operands, f32 sums

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;              // n = 2·S·S elements of each operand
@group(0) @binding(1) var<storage, read> a: array<f16>;         // (S,2S)
@group(0) @binding(2) var<storage, read> w: array<f16>;         // (2S,S)
@group(0) @binding(3) var<storage, read> v: array<f16>;         // (S,2S)
@group(0) @binding(4) var<storage, read_write> y: array<f32>;   // (S,S)
@group(0) @binding(5) var<storage, read_write> z: array<f32>;   // (S,S)

override WG: u32;   // a subgroup

var<workgroup> a_tile: array<f16, 2u * SIDE * SIDE>;
var<workgroup> w_tile: array<f16, 2u * SIDE * SIDE>;
var<workgroup> v_tile: array<f16, 2u * SIDE * SIDE>;
var<workgroup> sums: array<f32, 2u * SIDE * SIDE>;

@compute @workgroup_size(WG)
fn cooperative(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < params.n; i += WG) {
        a_tile[i] = a[i];
        w_tile[i] = w[i];
        v_tile[i] = v[i];
    }
    workgroupBarrier();
    var first: Sum;
    var second: Sum;
    for (var k = 0u; k < 2u * SIDE; k += SIDE) {
        let left = coopLoadT<Left>(&a_tile[k], 2u * SIDE);
        first = coopMultiplyAdd(left, coopLoadT<Right>(&w_tile[k * SIDE], SIDE), first);
        second = coopMultiplyAdd(left, coopLoad<Right>(&v_tile[k], 2u * SIDE), second);
    }
    coopStoreT(first, &sums[0], SIDE);
    coopStoreT(second, &sums[SIDE * SIDE], SIDE);
    workgroupBarrier();
    for (var i = lane; i < SIDE * SIDE; i += WG) {
        y[i] = sums[i];
        z[i] = sums[SIDE * SIDE + i];
    }
}

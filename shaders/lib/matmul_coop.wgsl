// Products of 4 × 4 matrices a subgroup, 2 × 2 subgroups a workgroup, on cooperative matrices: operands in f16, sums in
// f32. The importing file says SIDE and Left, Right and Sum, the matrices of that side.

// @import lib/grid
// @import lib/matmul

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f16>>;    // (…,M,K), K innermost
@group(0) @binding(2) var<storage, read> w: array<vec4<f16>>;    // (…,K,N), K or N innermost
@group(0) @binding(3) var<storage, read> b: array<f32>;          // (N), optional
@group(0) @binding(4) var<storage, read> residual: array<f32>;   // (…,M,N), optional
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // (…,M,N)

override K_INNERMOST: bool;   // w lies (…,N,K)
override WG: u32;             // four subgroups

const TILE = 8u * SIDE;   // rows and columns of a workgroup
const BK = 16u;           // terms of a sum that are loaded together
const LONG = BK + 8u;     // halves of a row of a tile, padded by 16 bytes against bank conflicts
const WIDE = TILE + 8u;

var<workgroup> a_tile: array<f16, TILE * LONG>;         // (TILE, BK)
var<workgroup> w_tile: array<f16, TILE * LONG>;         // (TILE, BK), or (BK, TILE)
var<workgroup> sums: array<f32, 4u * SIDE * SIDE>;      // a matrix of each subgroup

fn load_a(from_a: u32, row: u32, k0: u32, lane: u32) {
    for (var i = lane; i < TILE * BK / 4u; i += WG) {
        let m = i / (BK / 4u);
        let k = i % (BK / 4u) * 4u;
        var v = vec4<f16>();
        if (row + m < params.m && k0 + k < params.k) { v = a[(from_a + (row + m) * params.a_row + k0 + k) / 4u]; }
        let at = m * LONG + k;
        a_tile[at] = v.x; a_tile[at + 1u] = v.y; a_tile[at + 2u] = v.z; a_tile[at + 3u] = v.w;
    }
}

fn load_w(from_w: u32, column: u32, k0: u32, lane: u32) {
    for (var i = lane; i < TILE * BK / 4u; i += WG) {
        var n = i / (BK / 4u);
        var k = i % (BK / 4u) * 4u;
        var at = n * LONG + k;
        var element = from_w + (column + n) * params.w_col + k0 + k;
        if (!K_INNERMOST) {
            k = i / (TILE / 4u);
            n = i % (TILE / 4u) * 4u;
            at = k * WIDE + n;
            element = from_w + (k0 + k) * params.w_row + column + n;
        }
        var v = vec4<f16>();
        if (column + n < params.columns && k0 + k < params.k) { v = w[element / 4u]; }
        w_tile[at] = v.x; w_tile[at + 1u] = v.y; w_tile[at + 2u] = v.z; w_tile[at + 3u] = v.w;
    }
}

fn left(row: u32, k: u32) -> Left {
    return coopLoadT<Left>(&a_tile[row * LONG + k], LONG);
}

fn right(column: u32, k: u32) -> Right {
    if (K_INNERMOST) { return coopLoad<Right>(&w_tile[column * LONG + k], LONG); }
    return coopLoadT<Right>(&w_tile[k * WIDE + column], WIDE);
}

// Where a workgroup writes: the first element of its product, how many rows that has, its first row and column, and how
// many lanes share a matrix.
struct Place { out: u32, rows: u32, row0: u32, column0: u32, step: u32 }

// Finishes the matrix that this subgroup stored in `sums` from `slice` on. All lanes of the workgroup come here.
fn write(slice: u32, o: Place, row: u32, column: u32, lane: u32) {
    workgroupBarrier();
    for (var i = lane; i < SIDE * SIDE; i += o.step) {
        let m = o.row0 + row + i / SIDE;
        let n = o.column0 + column + i % SIDE;
        if (m < o.rows && n < params.columns) {
            let at = o.out + m * params.n + n;
            y[at] = finish(sums[slice + i], params.first + n, at);
        }
    }
    workgroupBarrier();
}

fn product(g: u32, lane: u32, subgroup: u32, lane_of: u32) {
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let tiles_n = (params.columns + TILE - 1u) / TILE;
    // No return for what is past the last tile of a folded grid: cooperative matrices want uniform control flow.
    let spare = g / tiles_n / tiles_m >= params.count;
    let batch = min(g / tiles_n / tiles_m, params.count - 1u);
    let row0 = g / tiles_n % tiles_m * TILE;
    let column0 = g % tiles_n * TILE;
    let at = coordinates(batch);
    let from_a = a_start(at);
    let from_w = w_start(at);
    let row = subgroup / 2u * 4u * SIDE;      // of the tile, where this subgroup's matrices begin
    let column = subgroup % 2u * 4u * SIDE;

    var s00: Sum; var s01: Sum; var s02: Sum; var s03: Sum;
    var s10: Sum; var s11: Sum; var s12: Sum; var s13: Sum;
    var s20: Sum; var s21: Sum; var s22: Sum; var s23: Sum;
    var s30: Sum; var s31: Sum; var s32: Sum; var s33: Sum;
    for (var k0 = 0u; k0 < params.k; k0 += BK) {
        load_a(from_a, row0, k0, lane);
        load_w(from_w, column0, k0, lane);
        workgroupBarrier();
        for (var k = 0u; k < BK; k += SIDE) {
            let l0 = left(row, k);
            let l1 = left(row + SIDE, k);
            let l2 = left(row + 2u * SIDE, k);
            let l3 = left(row + 3u * SIDE, k);
            var r: Right;
            r = right(column + 0u * SIDE, k);
            s00 = coopMultiplyAdd(l0, r, s00); s10 = coopMultiplyAdd(l1, r, s10);
            s20 = coopMultiplyAdd(l2, r, s20); s30 = coopMultiplyAdd(l3, r, s30);
            r = right(column + 1u * SIDE, k);
            s01 = coopMultiplyAdd(l0, r, s01); s11 = coopMultiplyAdd(l1, r, s11);
            s21 = coopMultiplyAdd(l2, r, s21); s31 = coopMultiplyAdd(l3, r, s31);
            r = right(column + 2u * SIDE, k);
            s02 = coopMultiplyAdd(l0, r, s02); s12 = coopMultiplyAdd(l1, r, s12);
            s22 = coopMultiplyAdd(l2, r, s22); s32 = coopMultiplyAdd(l3, r, s32);
            r = right(column + 3u * SIDE, k);
            s03 = coopMultiplyAdd(l0, r, s03); s13 = coopMultiplyAdd(l1, r, s13);
            s23 = coopMultiplyAdd(l2, r, s23); s33 = coopMultiplyAdd(l3, r, s33);
        }
        workgroupBarrier();
    }
    let slice = subgroup * SIDE * SIDE;
    let rows = select(params.m, 0u, spare);
    let o = Place(batch * params.m * params.n + params.first, rows, row0, column0, WG / 4u);
    coopStoreT(s00, &sums[slice], SIDE); write(slice, o, row + 0u * SIDE, column + 0u * SIDE, lane_of);
    coopStoreT(s01, &sums[slice], SIDE); write(slice, o, row + 0u * SIDE, column + 1u * SIDE, lane_of);
    coopStoreT(s02, &sums[slice], SIDE); write(slice, o, row + 0u * SIDE, column + 2u * SIDE, lane_of);
    coopStoreT(s03, &sums[slice], SIDE); write(slice, o, row + 0u * SIDE, column + 3u * SIDE, lane_of);
    coopStoreT(s10, &sums[slice], SIDE); write(slice, o, row + 1u * SIDE, column + 0u * SIDE, lane_of);
    coopStoreT(s11, &sums[slice], SIDE); write(slice, o, row + 1u * SIDE, column + 1u * SIDE, lane_of);
    coopStoreT(s12, &sums[slice], SIDE); write(slice, o, row + 1u * SIDE, column + 2u * SIDE, lane_of);
    coopStoreT(s13, &sums[slice], SIDE); write(slice, o, row + 1u * SIDE, column + 3u * SIDE, lane_of);
    coopStoreT(s20, &sums[slice], SIDE); write(slice, o, row + 2u * SIDE, column + 0u * SIDE, lane_of);
    coopStoreT(s21, &sums[slice], SIDE); write(slice, o, row + 2u * SIDE, column + 1u * SIDE, lane_of);
    coopStoreT(s22, &sums[slice], SIDE); write(slice, o, row + 2u * SIDE, column + 2u * SIDE, lane_of);
    coopStoreT(s23, &sums[slice], SIDE); write(slice, o, row + 2u * SIDE, column + 3u * SIDE, lane_of);
    coopStoreT(s30, &sums[slice], SIDE); write(slice, o, row + 3u * SIDE, column + 0u * SIDE, lane_of);
    coopStoreT(s31, &sums[slice], SIDE); write(slice, o, row + 3u * SIDE, column + 1u * SIDE, lane_of);
    coopStoreT(s32, &sums[slice], SIDE); write(slice, o, row + 3u * SIDE, column + 2u * SIDE, lane_of);
    coopStoreT(s33, &sums[slice], SIDE); write(slice, o, row + 3u * SIDE, column + 3u * SIDE, lane_of);
}

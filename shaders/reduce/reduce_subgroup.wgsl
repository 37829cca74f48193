// reduce_subgroup — reductions of long runs whose lanes meet by shuffles, one entry point each.
//
//   as reduce.wgsl
//
// Shapes    x any strides, split into O kept and R reduced elements  →  y (O), f32, or i32 for arg…
// Grid      one workgroup per output; lanes stride over R, merge within subgroups, then lane 0 merges the subgroups
// Numerics  as reduce.wgsl; the order of every sum is fixed by the shape and the size of subgroups
// Cost      reads O·R (twice for variance and logsumexp), writes O words; 768 bytes of workgroup memory
// Tried     not measured on a GPU: 1 barrier in place of 12

// @import lib/grid
// @import lib/strided
// @import lib/wide
// @import lib/math
// @import lib/reduction

struct Params {
    outputs: u32, count: u32, parts: u32, divisor: f32,
    n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
    r0: u32, r1: u32, r2: u32, r3: u32, r4: u32, r5: u32, r6: u32, r7: u32,
    s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, s6: u32, s7: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // any strides
@group(0) @binding(2) var<storage, read_write> y: array<u32>;   // (O)

const WG = 64u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) of_subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
}

var<workgroup> shared_a: array<f32, WG>;   // by subgroup
var<workgroup> shared_b: array<f32, WG>;
var<workgroup> shared_i: array<u32, WG>;

// All lanes' states merged, in lane 0. Called by all lanes of a workgroup, whose subgroups are full.
fn merge_lanes(op: u32, own: State, at: At) -> State {
    var s = own;
    for (var half = at.lanes / 2u; half > 0u; half /= 2u) {
        let other = State(subgroupShuffleXor(s.a, half), subgroupShuffleXor(s.b, half), subgroupShuffleXor(s.i, half));
        s = merge(op, s, other);
    }
    if (at.of_subgroup == 0u) {
        shared_a[at.subgroup] = s.a;
        shared_b[at.subgroup] = s.b;
        shared_i[at.subgroup] = s.i;
    }
    workgroupBarrier();
    if (at.lane == 0u) {
        s = State(shared_a[0u], shared_b[0u], shared_i[0u]);
        for (var i = 1u; i < at.subgroups; i++) { s = merge(op, s, State(shared_a[i], shared_b[i], shared_i[i])); }
    }
    return s;
}

fn reduce(op: u32, at: At) {
    let o = flat_group(at.group, at.groups);
    if (o >= params.outputs) { return; }   // uniform: o is the same in the whole workgroup
    let s = merge_lanes(op, gather(op, kept_offset(o), at.lane, WG), at);
    if (at.lane == 0u) { y[o] = finish(op, s); }
}

@compute @workgroup_size(WG)
fn sum_subgroup(at: At) { reduce(SUM, at); }
@compute @workgroup_size(WG)
fn mean_subgroup(at: At) { reduce(MEAN, at); }
@compute @workgroup_size(WG)
fn max_subgroup(at: At) { reduce(MAX, at); }
@compute @workgroup_size(WG)
fn min_subgroup(at: At) { reduce(MIN, at); }
@compute @workgroup_size(WG)
fn prod_subgroup(at: At) { reduce(PROD, at); }
@compute @workgroup_size(WG)
fn logsumexp_subgroup(at: At) { reduce(LOGSUMEXP, at); }
@compute @workgroup_size(WG)
fn variance_subgroup(at: At) { reduce(VARIANCE, at); }
@compute @workgroup_size(WG)
fn argmax_subgroup(at: At) { reduce(ARGMAX, at); }
@compute @workgroup_size(WG)
fn argmin_subgroup(at: At) { reduce(ARGMIN, at); }

// reduce_split — reductions in two steps, one entry point each.
//
//   sum · mean · max · min · prod      over the reduced axes, y[o] = ⊕_r x[o,r]
//   logsumexp                          y[o] = m + ln Σ_r e^(x[o,r] − m),  m = max_r x[o,r]
//   variance                           y[o] = Σ_r (x[o,r] − mean)² / (R − correction)
//   argmax · argmin                    the lowest r of the extreme
//
// Shapes    x any strides, split into O kept and R reduced elements  →  y (O), f32, or i32 for arg…
// Grid      step 1 one invocation per (output, part); step 2 one workgroup per output
// Numerics  order of every sum fixed by the shape; part p takes elements p, p + P, p + 2·P, …
// Cost      reads O·R (twice for variance and logsumexp), writes and reads O·P states

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
@group(0) @binding(3) var<storage, read_write> state_a: array<f32>;   // (O,P)
@group(0) @binding(4) var<storage, read_write> state_b: array<f32>;   // (O,P)
@group(0) @binding(5) var<storage, read_write> state_i: array<u32>;   // (O,P)

override KEPT_FAST: bool;   // neighbours in memory belong to neighbouring outputs

const WG = 64u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

var<workgroup> shared_a: array<f32, WG>;
var<workgroup> shared_b: array<f32, WG>;
var<workgroup> shared_i: array<u32, WG>;

// All lanes' states merged, in lane 0. Called by all lanes of a workgroup.
fn merge_lanes(op: u32, own: State, lane: u32) -> State {
    var s = own;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        shared_a[lane] = s.a;
        shared_b[lane] = s.b;
        shared_i[lane] = s.i;
        workgroupBarrier();
        if (lane < half) {
            s = merge(op, s, State(shared_a[lane + half], shared_b[lane + half], shared_i[lane + half]));
        }
        workgroupBarrier();
    }
    return s;
}

fn split(op: u32, at: At) {
    let i = flat_group(at.group, at.groups) * WG + at.lane;
    if (i >= params.outputs * params.parts) { return; }
    var o = i / params.parts;
    var p = i % params.parts;
    if (KEPT_FAST) {
        o = i % params.outputs;
        p = i / params.outputs;
    }
    let s = gather(op, kept_offset(o), p, params.parts);
    let at_state = o * params.parts + p;
    state_a[at_state] = s.a;
    state_b[at_state] = s.b;
    state_i[at_state] = s.i;
}

fn combine(op: u32, at: At) {
    let o = flat_group(at.group, at.groups);
    if (o >= params.outputs) { return; }   // uniform: o is the same in the whole workgroup
    var s = empty(op);
    for (var p = at.lane; p < params.parts; p += WG) {
        let i = o * params.parts + p;
        s = merge(op, s, State(state_a[i], state_b[i], state_i[i]));
    }
    s = merge_lanes(op, s, at.lane);
    if (at.lane == 0u) { y[o] = finish(op, s); }
}

@compute @workgroup_size(WG)
fn sum_split(at: At) { split(SUM, at); }
@compute @workgroup_size(WG)
fn sum_combine(at: At) { combine(SUM, at); }
@compute @workgroup_size(WG)
fn mean_split(at: At) { split(MEAN, at); }
@compute @workgroup_size(WG)
fn mean_combine(at: At) { combine(MEAN, at); }
@compute @workgroup_size(WG)
fn max_split(at: At) { split(MAX, at); }
@compute @workgroup_size(WG)
fn max_combine(at: At) { combine(MAX, at); }
@compute @workgroup_size(WG)
fn min_split(at: At) { split(MIN, at); }
@compute @workgroup_size(WG)
fn min_combine(at: At) { combine(MIN, at); }
@compute @workgroup_size(WG)
fn prod_split(at: At) { split(PROD, at); }
@compute @workgroup_size(WG)
fn prod_combine(at: At) { combine(PROD, at); }
@compute @workgroup_size(WG)
fn logsumexp_split(at: At) { split(LOGSUMEXP, at); }
@compute @workgroup_size(WG)
fn logsumexp_combine(at: At) { combine(LOGSUMEXP, at); }
@compute @workgroup_size(WG)
fn variance_split(at: At) { split(VARIANCE, at); }
@compute @workgroup_size(WG)
fn variance_combine(at: At) { combine(VARIANCE, at); }
@compute @workgroup_size(WG)
fn argmax_split(at: At) { split(ARGMAX, at); }
@compute @workgroup_size(WG)
fn argmax_combine(at: At) { combine(ARGMAX, at); }
@compute @workgroup_size(WG)
fn argmin_split(at: At) { split(ARGMIN, at); }
@compute @workgroup_size(WG)
fn argmin_combine(at: At) { combine(ARGMIN, at); }

// bce_with_logits, huber — losses of one element, an entry point each.
//
//   bce_with_logits   loss[i] = ln(1 + e^o[i]) − o[i]·y[i]
//   huber             loss[i] = ½·e² if |e| ≤ delta, else delta·(|e| − ½·delta)          e = o[i] − y[i]
//
// Papers    huber: Huber 1964, Robust estimation of a location parameter, Ann. Math. Statist. 35, p. 75
// Shapes    o, y  →  loss, n elements each
// Grid      one invocation per element
// Numerics  the softplus is max(o, 0) + ln(1 + e^−|o|), whose first part meets o·y before the second is added
// Cost      reads 2·n, writes n floats

struct Params { n: u32, delta: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> o: array<f32>;            // (n)
@group(0) @binding(2) var<storage, read> y: array<f32>;            // (n)
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;   // (n)

const WG = 64u;

// @import lib/grid
// @import lib/activation

@compute @workgroup_size(WG)
fn bce_with_logits(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    loss[i] = (max(o[i], 0.0) - o[i] * y[i]) + log1p_of(exp_of(-abs(o[i])));
}

@compute @workgroup_size(WG)
fn huber(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let e = abs(o[i] - y[i]);
    loss[i] = select(params.delta * (e - 0.5 * params.delta), 0.5 * e * e, e <= params.delta);
}

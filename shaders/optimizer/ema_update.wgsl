// ema_update — a running average of weights, in place.
//
//   ema[i] ← decay·ema[i] + (1 − decay)·w[i]
//
// Source    Polyak, Juditsky 1992; the decaying form is that of Kingma, Ba 2014, arXiv:1412.6980, section 7.2
// Shapes    ema (N), a state  w (N)  hyper (3)  →  ema (N)
// Hyper     0–2 decay as a sum of two, 1 − decay: 0.9999 rounded to f32 is off by 3e-4 of 1 − 0.9999
// Grid      one invocation per element
// Numerics  three products and two sums in f32
// Cost      reads 2·N, writes N floats

// @import lib/grid

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> ema: array<f32>;   // (N)
@group(0) @binding(2) var<storage, read> w: array<f32>;           // (N)
@group(0) @binding(3) var<storage, read> hyper: array<f32>;       // (3)

const WG = 64u;

@compute @workgroup_size(WG)
fn ema_update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    ema[i] = hyper[0] * ema[i] + (hyper[1] * ema[i] + hyper[2] * w[i]);
}

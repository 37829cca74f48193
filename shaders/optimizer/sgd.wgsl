// sgd, momentum — steps against the gradient, in place.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   sgd        w[i] ← w[i] − lr·g
//   momentum   v[i] ← m·v[i] + take·g
//              w[i] ← w[i] − lr·(by_g·g + by_v·v[i])
//
// By the host: at t = 1 m is 0 and take 1, later take is 1 − dampening; by_g, by_v are 0, 1, for Nesterov's 1, m.
//
// Papers    Robbins, Monro 1951 · Polyak 1964 · Sutskever et al. 2013 (Nesterov), as in PyTorch's SGD
// Shapes    w, v (N), states  d_w (N)  hyper (2, momentum 7)  decay (N/64) or absent  scale (1) or absent  →  w, v (N)
// Hyper     0 lr · 1 clip · 2–4 m as a sum of two, take · 5 by_g · 6 by_v
// Grid      one invocation per four elements
// Numerics  f32; the update is rounded a few times, then the weight once
// Cost      reads 2·N, writes N floats; momentum 3·N and 2·N

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;   // (N/4)
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;   // (N/4)
@group(0) @binding(3) var<storage, read> d_w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(4) var<storage, read> hyper: array<f32>;           // (2) or (7)
@group(0) @binding(5) var<storage, read> decay: array<f32>;           // (N/64), optional
@group(0) @binding(6) var<storage, read> scale: array<f32>;           // (1), optional

@compute @workgroup_size(WG)
fn sgd(at: At) {
    let i = quad(at);
    if (i < params.quads) { w[i] = w[i] - hyper[0] * coupled(i); }
}

@compute @workgroup_size(WG)
fn momentum(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let g = coupled(i);
    let next = mixed(v[i], g, 2u);
    v[i] = next;
    w[i] = w[i] - hyper[0] * (hyper[5] * g + hyper[6] * next);
}

// adagrad — steps scaled by all squared gradients so far, in place.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   a[i] ← a[i] + g²
//   w[i] ← w[i] − rate·g / (√a[i] + eps)          rate = lr / (1 + (t − 1)·lr_decay)
//
// Paper     Duchi, Hazan, Singer 2011, as in PyTorch's Adagrad
// Shapes    w, a (N), states  d_w (N)  hyper (3)  decay (N/64) or absent  scale (1) or absent  →  w, a (N)
// Hyper     0 rate · 1 clip · 2 eps
// Grid      one invocation per four elements
// Numerics  f32; |g| below 1.8e19, where g² overflows
// Cost      reads 3·N, writes 2·N floats

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;   // (N/4)
@group(0) @binding(2) var<storage, read_write> a: array<vec4<f32>>;   // (N/4)
@group(0) @binding(3) var<storage, read> d_w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(4) var<storage, read> hyper: array<f32>;           // (3)
@group(0) @binding(5) var<storage, read> decay: array<f32>;           // (N/64), optional
@group(0) @binding(6) var<storage, read> scale: array<f32>;           // (1), optional

@compute @workgroup_size(WG)
fn adagrad(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let g = coupled(i);
    let next = a[i] + g * g;
    a[i] = next;
    w[i] = w[i] - hyper[0] * g / (sqrt(next) + hyper[2]);
}

// adadelta — steps in the units of the weights, in place.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   s[i] ← rho·s[i] + (1 − rho)·g²
//   d = √(u[i] + eps) / √(s[i] + eps) · g
//   u[i] ← rho·u[i] + (1 − rho)·d²
//   w[i] ← w[i] − lr·d
//
// Paper     Zeiler 2012, arXiv:1212.5701, algorithm 1
// Shapes    w, s, u (N), states  d_w (N)  hyper (6)  decay (N/64) or absent  scale (1) or absent  →  w, s, u (N)
// Hyper     0 lr · 1 clip · 2–4 rho as a sum of two, 1 − rho · 5 eps
// Grid      one invocation per four elements
// Numerics  f32; |g| below 1.8e19, where g² overflows
// Cost      reads 4·N, writes 3·N floats

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;   // (N/4)
@group(0) @binding(2) var<storage, read_write> s: array<vec4<f32>>;   // (N/4)
@group(0) @binding(3) var<storage, read_write> u: array<vec4<f32>>;   // (N/4)
@group(0) @binding(4) var<storage, read> d_w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(5) var<storage, read> hyper: array<f32>;           // (6)
@group(0) @binding(6) var<storage, read> decay: array<f32>;           // (N/64), optional
@group(0) @binding(7) var<storage, read> scale: array<f32>;           // (1), optional

@compute @workgroup_size(WG)
fn adadelta(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let g = coupled(i);
    let before = u[i];
    let squares = mixed_square(s[i], g, 2u);
    let d = sqrt(before + hyper[5]) / sqrt(squares + hyper[5]) * g;
    s[i] = squares;
    u[i] = mixed_square(before, d, 2u);
    w[i] = w[i] - hyper[0] * d;
}

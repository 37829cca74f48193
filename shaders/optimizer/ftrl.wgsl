// ftrl — follow the regularised leader, in place: weights that an L1 penalty keeps at exactly 0.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   sigma = (√(n[i] + g²) − √n[i]) / alpha
//   z[i] ← z[i] + g − sigma·w[i]
//   n[i] ← n[i] + g²
//   w[i] ← −sign(z[i])·max(|z[i]| − l1, 0) / ((beta + √n[i]) / alpha + l2)
//
// Paper     McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1
// Shapes    w, z, n (N), states  d_w (N)  hyper (4)  decay (N/64) or absent  scale (1) or absent  →  w, z, n (N)
// Hyper     0 1/alpha · 1 clip · 2 beta/alpha + l2 · 3 l1
// Grid      one invocation per four elements
// Numerics  the difference of roots is g² over their sum, which does not cancel; a divisor of 0 gives 0, as z is 0 there
// Cost      reads 4·N, writes 3·N floats

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;   // (N/4)
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>;   // (N/4)
@group(0) @binding(3) var<storage, read_write> n: array<vec4<f32>>;   // (N/4)
@group(0) @binding(4) var<storage, read> d_w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(5) var<storage, read> hyper: array<f32>;           // (4)
@group(0) @binding(6) var<storage, read> decay: array<f32>;           // (N/64), optional
@group(0) @binding(7) var<storage, read> scale: array<f32>;           // (1), optional

// Below every sum of roots that is not 0: √2⁻¹²⁶ is 1.1e-19.
const TINY = 1e-30;

@compute @workgroup_size(WG)
fn ftrl(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let g = coupled(i);
    let square = g * g;
    let next = n[i] + square;
    let root = sqrt(next);
    let sigma = square * hyper[0] / max(root + sqrt(n[i]), vec4(TINY));
    let lead = z[i] + (g - sigma * w[i]);
    z[i] = lead;
    n[i] = next;
    let divisor = max(hyper[2] + root * hyper[0], vec4(TINY));
    w[i] = -sign(lead) * max(abs(lead) - hyper[3], vec4(0.0)) / divisor;
}

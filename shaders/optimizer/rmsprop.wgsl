// rmsprop, rmsprop_momentum, rmsprop_centered, rmsprop_centered_momentum — steps over a running root mean square.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   v[i] ← alpha·v[i] + (1 − alpha)·g²
//   c[i] ← alpha·c[i] + (1 − alpha)·g                        centered
//   u = v[i], or max(v[i] − c[i]², 0) if centered
//   q = g / (√u + eps)
//   b[i] ← momentum·b[i] + q,  q ← b[i]                      momentum
//   w[i] ← w[i] − lr·q
//
// Papers    Hinton 2012 (Coursera, lecture 6e) · Graves 2013, arXiv:1308.0850, eq. 38–45 (centered)
// Shapes    w, v, c, b (N), states  d_w (N)  hyper (6, momentum 9)  decay (N/64) or absent  scale (1) or absent
// Hyper     0 lr · 1 clip · 2–4 alpha as a sum of two, 1 − alpha · 5 eps · 6–8 momentum as a sum of two, 1
// Grid      one invocation per four elements
// Numerics  f32; v − c² is a variance, which rounding must not make negative; |g| below 1.8e19
// Cost      reads 3·N, writes 2·N floats; one of each more for c and for b

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;   // (N/4)
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;   // (N/4)
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;   // (N/4)
@group(0) @binding(4) var<storage, read_write> b: array<vec4<f32>>;   // (N/4)
@group(0) @binding(5) var<storage, read> d_w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(6) var<storage, read> hyper: array<f32>;           // (6) or (9)
@group(0) @binding(7) var<storage, read> decay: array<f32>;           // (N/64), optional
@group(0) @binding(8) var<storage, read> scale: array<f32>;           // (1), optional

// q, after v was updated.
fn quotient(i: u32) -> vec4<f32> {
    let g = coupled(i);
    let next = mixed_square(v[i], g, 2u);
    v[i] = next;
    return g / (sqrt(next) + hyper[5]);
}

// q, after v and c were updated.
fn centered(i: u32) -> vec4<f32> {
    let g = coupled(i);
    let next = mixed_square(v[i], g, 2u);
    let center = mixed(c[i], g, 2u);
    v[i] = next;
    c[i] = center;
    return g / (sqrt(max(next - center * center, vec4(0.0))) + hyper[5]);
}

// b, after q was added to it.
fn smoothed(i: u32, q: vec4<f32>) -> vec4<f32> {
    let next = mixed(b[i], q, 6u);
    b[i] = next;
    return next;
}

@compute @workgroup_size(WG)
fn rmsprop(at: At) {
    let i = quad(at);
    if (i < params.quads) { w[i] = w[i] - hyper[0] * quotient(i); }
}

@compute @workgroup_size(WG)
fn rmsprop_momentum(at: At) {
    let i = quad(at);
    if (i < params.quads) { w[i] = w[i] - hyper[0] * smoothed(i, quotient(i)); }
}

@compute @workgroup_size(WG)
fn rmsprop_centered(at: At) {
    let i = quad(at);
    if (i < params.quads) { w[i] = w[i] - hyper[0] * centered(i); }
}

@compute @workgroup_size(WG)
fn rmsprop_centered_momentum(at: At) {
    let i = quad(at);
    if (i < params.quads) { w[i] = w[i] - hyper[0] * smoothed(i, centered(i)); }
}

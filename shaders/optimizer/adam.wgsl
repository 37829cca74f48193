// adam, amsgrad, adamw, adamw_amsgrad — steps by running first and second moments, in place.
//
//   g = clip(scale·d_w[i]) + decay[i div 64]·w[i]
//   adamw:     g = clip(scale·d_w[i]),  w[i] ← w[i] − lr·decay[i div 64]·w[i]
//   m[i] ← β₁·m[i] + (1 − β₁)·g
//   v[i] ← β₂·v[i] + (1 − β₂)·g²
//   amsgrad:   v_max[i] ← max(v_max[i], v[i]), which then stands for v[i]
//   w[i] ← w[i] − lr·(m[i] / (1 − β₁ᵗ)) / (√(v[i] / (1 − β₂ᵗ)) + eps)
//
// Papers    Kingma, Ba 2014, arXiv:1412.6980, algorithm 1 · Reddi et al. 2018, arXiv:1904.09237 (amsgrad, with the
//           correction of PyTorch) · Loshchilov, Hutter 2017, arXiv:1711.05101, algorithm 2 (adamw)
// Shapes    w, m, v, v_max (N), states  d_w (N)  hyper (11)  decay (N/64) or absent  scale (1) or absent
// Hyper     0 lr · 1 clip · 2–4 β₁ as a sum of two, 1 − β₁ · 5–7 the same of β₂ · 8 lr/(1 − β₁ᵗ) · 9 1/√(1 − β₂ᵗ)
//           · 10 eps
// Grid      one invocation per four elements
// Numerics  f32; |g| below 1.8e19, where g² overflows; the corrections are made in f64 on the host
// Cost      reads 4·N, writes 3·N floats; amsgrad one of each more

// @import lib/grid
// @import lib/update

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;       // (N/4)
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;       // (N/4)
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;       // (N/4)
@group(0) @binding(4) var<storage, read_write> v_max: array<vec4<f32>>;   // (N/4)
@group(0) @binding(5) var<storage, read> d_w: array<vec4<f32>>;           // (N/4)
@group(0) @binding(6) var<storage, read> hyper: array<f32>;               // (11)
@group(0) @binding(7) var<storage, read> decay: array<f32>;               // (N/64), optional
@group(0) @binding(8) var<storage, read> scale: array<f32>;               // (1), optional

struct Moments { m: vec4<f32>, v: vec4<f32> }

fn moments(i: u32, g: vec4<f32>) -> Moments {
    let next = Moments(mixed(m[i], g, 2u), mixed_square(v[i], g, 5u));
    m[i] = next.m;
    v[i] = next.v;
    return next;
}

fn largest(i: u32, now: vec4<f32>) -> vec4<f32> {
    let next = max(v_max[i], now);
    v_max[i] = next;
    return next;
}

fn update(first: vec4<f32>, second: vec4<f32>) -> vec4<f32> {
    return hyper[8] * first / (sqrt(second) * hyper[9] + hyper[10]);
}

fn decayed(i: u32) -> vec4<f32> {
    if (HAS_DECAY) { return w[i] - (hyper[0] * decay_of(i)) * w[i]; }
    return w[i];
}

@compute @workgroup_size(WG)
fn adam(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let next = moments(i, coupled(i));
    w[i] = w[i] - update(next.m, next.v);
}

@compute @workgroup_size(WG)
fn amsgrad(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let next = moments(i, coupled(i));
    w[i] = w[i] - update(next.m, largest(i, next.v));
}

@compute @workgroup_size(WG)
fn adamw(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let next = moments(i, clipped(i));
    w[i] = decayed(i) - update(next.m, next.v);
}

@compute @workgroup_size(WG)
fn adamw_amsgrad(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let next = moments(i, clipped(i));
    w[i] = decayed(i) - update(next.m, largest(i, next.v));
}

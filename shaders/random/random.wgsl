// random — counter-based random numbers, one entry point per distribution.
//
//   w = philox(counter (i div 4, stream, offset, 0), key seed)[i mod 4]
//   random_bits        y[i] = w
//   random_uniform     y[i] = ⌊w / 2⁸⌋ · 2⁻²⁴                               in [0, 1)
//   random_bernoulli   y[i] = 1 if ⌊w / 2⁸⌋ < threshold, else 0
//   random_normal      y[i] = mean + std · √(−2 ln u) · cos 2πv (even i) or sin 2πv (odd i)
//                      u = w₀ · 2⁻³² cut to 24 significant bits, v = ⌊w₁ / 2⁸⌋ · 2⁻²⁴ of the pair
//
// Paper     Salmon et al. 2011 (Random123); Box, Muller 1958
// Shapes    seed (2)  offset (1)  →  y any
// Grid      one invocation per four elements
// Numerics  all but the normals equal the reference bit for bit; the angle is reduced in integers
// Cost      writes n words; 10 rounds per four

// @import lib/grid
// @import lib/wide
// @import lib/math
// @import lib/philox

struct Params { n: u32, stream: u32, threshold: u32, mean: f32, deviation: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> seed: array<u32>;      // (2)
@group(0) @binding(2) var<storage, read> offset: array<u32>;    // (1), optional
@group(0) @binding(3) var<storage, read_write> y: array<u32>;   // (n)

override HAS_OFFSET: bool;
override IS_FLOAT: bool;

const WG = 64u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn block(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

fn draw(b: u32) -> vec4<u32> {
    var step = 0u;
    if (HAS_OFFSET) { step = offset[0]; }
    return philox(vec4<u32>(b, params.stream, step, 0u), vec2<u32>(seed[0], seed[1]));
}

fn store(b: u32, v: vec4<u32>) {
    let i = 4u * b;
    if (i < params.n) { y[i] = v.x; }
    if (i + 1u < params.n) { y[i + 1u] = v.y; }
    if (i + 2u < params.n) { y[i + 2u] = v.z; }
    if (i + 3u < params.n) { y[i + 3u] = v.w; }
}

@compute @workgroup_size(WG)
fn random_bits(at: At) {
    let b = block(at);
    store(b, draw(b));
}

@compute @workgroup_size(WG)
fn random_uniform(at: At) {
    let b = block(at);
    store(b, bitcast<vec4<u32>>(vec4<f32>(draw(b) >> vec4(8u)) * 5.9604644775390625e-8));
}

@compute @workgroup_size(WG)
fn random_bernoulli(at: At) {
    let b = block(at);
    let one = select(1u, 0x3f800000u, IS_FLOAT);
    store(b, select(vec4(0u), vec4(one), (draw(b) >> vec4(8u)) < vec4(params.threshold)));
}

// Two normals from two words. u is exact in f32: no more than 24 significant bits are kept, but all leading
// zeros, so that the tail reaches 6.7 standard deviations.
fn box_muller(w0: u32, w1: u32) -> vec2<f32> {
    let cut = 8u - min(countLeadingZeros(w0), 8u);
    let u = max(f32((w0 >> cut) << cut), 0.5) * 2.3283064365386963e-10;
    let radius = sqrt(-2.0 * log_of(u));
    let v = w1 >> 8u;
    let quadrant = (v + 0x200000u) >> 22u;
    let fraction = i32(v) - i32(quadrant << 22u);
    let a = Angle(f32(fraction) * 3.7450704e-7, 0);   // π/2 · 2⁻²²
    return radius * vec2(sine_in(a, i32(quadrant) + 1), sine_in(a, i32(quadrant)));
}

@compute @workgroup_size(WG)
fn random_normal(at: At) {
    let b = block(at);
    let w = draw(b);
    let z = vec4(box_muller(w.x, w.y), box_muller(w.z, w.w));
    store(b, bitcast<vec4<u32>>(vec4(params.mean) + params.deviation * z));
}

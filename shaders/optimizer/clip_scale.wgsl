// clip_scale — the factor that keeps the norm of all gradients below a bound.
//
//   norm  = factor·√(Σ_p parts[p])
//   scale = factor·min(1, max_norm / (norm + 10⁻⁶))
//
// factor is 1 over the number of gradients that were added up, and max_norm f32::MAX where nothing is clipped.
//
// Paper     Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1, with the 10⁻⁶ of PyTorch's clip_grad_norm_
// Shapes    parts (P)  hyper (2)  →  norm (1)  scale (1)
// Hyper     0 max_norm · 1 factor
// Grid      one workgroup
// Numerics  f32 sum in an order that P fixes; the sum must stay below f32::MAX
// Cost      reads P, writes 2 floats

// @import lib/workgroup_reduce

struct Params { parts: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;         // (P)
@group(0) @binding(2) var<storage, read> hyper: array<f32>;         // (2)
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;    // (1)
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;   // (1)

const WG = 64u;

@compute @workgroup_size(WG)
fn clip_scale(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var p = lane; p < params.parts; p += WG) { sum += parts[p]; }
    let total = workgroup_sum(sum, lane);
    if (lane == 0u) {
        let length = hyper[1] * sqrt(total);
        let above = length + 1e-6;
        norm[0] = length;
        scale[0] = hyper[1] * (min(above, hyper[0]) / above);   // not max_norm / above, which may overflow
    }
}

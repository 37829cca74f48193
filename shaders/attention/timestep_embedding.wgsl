// timestep_embedding — sines and cosines of a diffusion step.
//
//   y[b] = (sin a ‖ cos a), or (cos a ‖ sin a) if FLIP;  a_i = 2π · t[b] · turns_i;  a zero last if d is odd
//
// Paper     Ho et al. 2020, arXiv:2006.11239, appendix B; Vaswani et al. 2017, arXiv:1706.03762, 3.5
// Shapes    timestep (B), f32 or i32  turns (3,half)  →  y (B,d), half = d / 2
// Grid      one invocation per element
// Numerics  a frequency in turns per step is the sum of three parts of 11 bits, so that its products with whole
//           steps below 2^13 are exact and so are their fractions; sin and cos by Cephes' polynomials on [−π/4, π/4]
// Cost      reads 3·half + B, writes B·d

// @import lib/grid

struct Params { n: u32, dims: u32, half: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> timestep: array<u32>;   // (B)
@group(0) @binding(2) var<storage, read> turns: array<f32>;      // (3,half)
@group(0) @binding(3) var<storage, read_write> y: array<f32>;    // (B,d)

override FLIP: bool;
override WHOLE: bool;   // timestep is i32

const WG = 64u;

// sin(2π·turn), with |turn| at most 2.
fn sin_turn(turn: f32) -> f32 {
    let eighths = round(4.0 * turn);
    let a = 6.283185307179586 * (turn - 0.25 * eighths);
    let z = a * a;
    let s = a + a * z * (-0.16666654611 + z * (0.0083321608736 - z * 0.00019515295891));
    let c = 1.0 - 0.5 * z + z * z * (0.041666645683 + z * (-0.0013887316255 + z * 0.00002443315711));
    let quadrant = i32(eighths) & 3;
    let v = select(s, c, (quadrant & 1) == 1);
    return select(v, -v, quadrant >= 2);
}

@compute @workgroup_size(WG)
fn timestep_embedding(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let b = i / params.dims;
    let d = i % params.dims;
    if (d >= 2u * params.half) {
        y[i] = 0.0;
        return;
    }
    var t = bitcast<f32>(timestep[b]);
    if (WHOLE) { t = f32(bitcast<i32>(timestep[b])); }
    let j = d % params.half;
    let a = t * turns[j];
    let c = t * turns[params.half + j];
    var turn = (a - round(a)) + (c - round(c)) + t * turns[2u * params.half + j];
    turn -= round(turn);
    if ((d < params.half) == FLIP) { turn += 0.25; }
    y[i] = sin_turn(turn);
}

// chain_vec4 — two elementwise steps in one pass, four elements at a time, for dense a and b whose count is a
// multiple of four.
//
//   add_activation   y[i] = activation(a[i] + b[i])     biases, residuals
//   mul_activation   y[i] = activation(a[i])·b[i]       gated MLPs: SwiGLU, GeGLU
//
// Paper     Shazeer 2020, arXiv:2002.05202, eq. 5–6
// Shapes    a (n)  b (n)  →  y (n), all dense
// Grid      one invocation per four elements
// Numerics  as elementwise/chain, bit for bit
// Cost      reads 2·n, writes n floats, 16 bytes at a time

// @import lib/grid
// @import lib/activation

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;         // (n/4)
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;         // (n/4)
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;   // (n/4)

override ACTIVATION: u32;

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn quad(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

fn activate4(v: vec4<f32>) -> vec4<f32> {
    return vec4(activate(v.x, ACTIVATION), activate(v.y, ACTIVATION), activate(v.z, ACTIVATION),
        activate(v.w, ACTIVATION));
}

@compute @workgroup_size(WG)
fn add_activation_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { y[i] = activate4(a[i] + b[i]); }
}

@compute @workgroup_size(WG)
fn mul_activation_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { y[i] = activate4(a[i]) * b[i]; }
}

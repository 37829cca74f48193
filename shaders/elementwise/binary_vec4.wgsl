// binary_vec4 — y = f(a, b) four elements at a time, for dense a and b whose count is a multiple of four.
//
//   add a + b · sub a − b · mul a·b · maximum · minimum      f32 or i32 (which wraps around)
//   div a/b · pow a^b                                        f32
//
// Shapes    a (n)  b (n)  →  y (n), all dense
// Grid      one invocation per four elements
// Numerics  as elementwise/binary, bit for bit
// Cost      reads 2·n, writes n words, 16 bytes at a time

// @import lib/grid
// @import lib/wide
// @import lib/math

struct Params { quads: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;         // (n/4)
@group(0) @binding(2) var<storage, read> b: array<vec4<u32>>;         // (n/4)
@group(0) @binding(3) var<storage, read_write> y: array<vec4<u32>>;   // (n/4)

override IS_INT: bool;

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn quad(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

@compute @workgroup_size(WG)
fn add_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    if (IS_INT) { y[i] = bitcast<vec4<u32>>(bitcast<vec4<i32>>(a[i]) + bitcast<vec4<i32>>(b[i])); }
    else { y[i] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a[i]) + bitcast<vec4<f32>>(b[i])); }
}

@compute @workgroup_size(WG)
fn sub_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    if (IS_INT) { y[i] = bitcast<vec4<u32>>(bitcast<vec4<i32>>(a[i]) - bitcast<vec4<i32>>(b[i])); }
    else { y[i] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a[i]) - bitcast<vec4<f32>>(b[i])); }
}

@compute @workgroup_size(WG)
fn mul_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    if (IS_INT) { y[i] = bitcast<vec4<u32>>(bitcast<vec4<i32>>(a[i]) * bitcast<vec4<i32>>(b[i])); }
    else { y[i] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a[i]) * bitcast<vec4<f32>>(b[i])); }
}

@compute @workgroup_size(WG)
fn maximum_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    if (IS_INT) { y[i] = bitcast<vec4<u32>>(max(bitcast<vec4<i32>>(a[i]), bitcast<vec4<i32>>(b[i]))); }
    else { y[i] = bitcast<vec4<u32>>(max(bitcast<vec4<f32>>(a[i]), bitcast<vec4<f32>>(b[i]))); }
}

@compute @workgroup_size(WG)
fn minimum_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    if (IS_INT) { y[i] = bitcast<vec4<u32>>(min(bitcast<vec4<i32>>(a[i]), bitcast<vec4<i32>>(b[i]))); }
    else { y[i] = bitcast<vec4<u32>>(min(bitcast<vec4<f32>>(a[i]), bitcast<vec4<f32>>(b[i]))); }
}

@compute @workgroup_size(WG)
fn div_vec4(at: At) {
    let i = quad(at);
    if (i < params.quads) { y[i] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a[i]) / bitcast<vec4<f32>>(b[i])); }
}

@compute @workgroup_size(WG)
fn pow_vec4(at: At) {
    let i = quad(at);
    if (i >= params.quads) { return; }
    let p = bitcast<vec4<f32>>(a[i]);
    let q = bitcast<vec4<f32>>(b[i]);
    y[i] = bitcast<vec4<u32>>(vec4(pow_of(p.x, q.x), pow_of(p.y, q.y), pow_of(p.z, q.z), pow_of(p.w, q.w)));
}

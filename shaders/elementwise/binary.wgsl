// binary — y = f(a, b) for the functions of two numbers, one entry point each.
//
//   add a + b · sub a − b · mul a·b · maximum · minimum      f32 or i32 (which wraps around)
//   div a/b · pow a^b                                        f32
//
// Shapes    a, b any strides, up to 8 axes, already broadcast to one shape  →  y dense
// Grid      one invocation per element
// Numerics  i32 and f32 share the bindings as bits; pow through ln and e^x of lib/math, its special cases are
//           IEEE 754's: 0^0 is 1, a negative base needs a whole exponent
// Cost      reads up to 2·n, writes n words

// @import lib/grid
// @import lib/strided
// @import lib/wide
// @import lib/math

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32, a6: u32, a7: u32, a_offset: u32,
    b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32, b6: u32, b7: u32, b_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;         // any strides
@group(0) @binding(2) var<storage, read> b: array<u32>;         // any strides
@group(0) @binding(3) var<storage, read_write> y: array<u32>;   // (n)

override IS_INT: bool;
override DENSE: bool;   // a and b lie row-major from their offsets

const WG = 256u;

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn element(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

struct Pair { a: u32, b: u32 }

fn pair(i: u32) -> Pair {
    if (DENSE) { return Pair(a[params.a_offset + i], b[params.b_offset + i]); }
    let c = coordinates(i);
    let at_a = params.a_offset + c.c0 * params.a0 + c.c1 * params.a1 + c.c2 * params.a2 + c.c3 * params.a3
        + c.c4 * params.a4 + c.c5 * params.a5 + c.c6 * params.a6 + c.c7 * params.a7;
    let at_b = params.b_offset + c.c0 * params.b0 + c.c1 * params.b1 + c.c2 * params.b2 + c.c3 * params.b3
        + c.c4 * params.b4 + c.c5 * params.b5 + c.c6 * params.b6 + c.c7 * params.b7;
    return Pair(a[at_a], b[at_b]);
}

@compute @workgroup_size(WG)
fn add(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    if (IS_INT) { y[i] = bitcast<u32>(bitcast<i32>(p.a) + bitcast<i32>(p.b)); }
    else { y[i] = bitcast<u32>(bitcast<f32>(p.a) + bitcast<f32>(p.b)); }
}

@compute @workgroup_size(WG)
fn sub(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    if (IS_INT) { y[i] = bitcast<u32>(bitcast<i32>(p.a) - bitcast<i32>(p.b)); }
    else { y[i] = bitcast<u32>(bitcast<f32>(p.a) - bitcast<f32>(p.b)); }
}

@compute @workgroup_size(WG)
fn mul(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    if (IS_INT) { y[i] = bitcast<u32>(bitcast<i32>(p.a) * bitcast<i32>(p.b)); }
    else { y[i] = bitcast<u32>(bitcast<f32>(p.a) * bitcast<f32>(p.b)); }
}

@compute @workgroup_size(WG)
fn maximum(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    if (IS_INT) { y[i] = bitcast<u32>(max(bitcast<i32>(p.a), bitcast<i32>(p.b))); }
    else { y[i] = bitcast<u32>(max(bitcast<f32>(p.a), bitcast<f32>(p.b))); }
}

@compute @workgroup_size(WG)
fn minimum(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    if (IS_INT) { y[i] = bitcast<u32>(min(bitcast<i32>(p.a), bitcast<i32>(p.b))); }
    else { y[i] = bitcast<u32>(min(bitcast<f32>(p.a), bitcast<f32>(p.b))); }
}

@compute @workgroup_size(WG)
fn div(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    y[i] = bitcast<u32>(bitcast<f32>(p.a) / bitcast<f32>(p.b));
}

@compute @workgroup_size(WG)
fn pow_op(at: At) {
    let i = element(at);
    if (i >= params.n) { return; }
    let p = pair(i);
    y[i] = bitcast<u32>(pow_of(bitcast<f32>(p.a), bitcast<f32>(p.b)));
}

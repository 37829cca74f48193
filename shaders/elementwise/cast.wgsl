// cast — convert between f32, i32 and u32. (`cast` is reserved in WGSL, hence `cast_op`.)
//
//   y[i] = x[i] as the other type, by Rust's rules: f32 truncates towards 0 and clamps, NaN becomes 0;
//   i32 and u32 wrap into each other; integers round to the nearest f32
//
// Shapes    x any strides, up to 8 axes  →  y dense
// Grid      one invocation per element
// Numerics  WGSL clamps to the largest f32 that fits, 128 below the largest i32; here it is the largest i32
// Cost      reads n, writes n words

// @import lib/grid
// @import lib/strided

struct Params {
    n: u32, n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32, n6: u32, n7: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32, x_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;         // any strides
@group(0) @binding(2) var<storage, read_write> y: array<u32>;   // (n)

override FROM: u32;   // 0 f32, 1 i32, 2 u32
override TO: u32;

const WG = 256u;

fn f32_to_i32(bits: u32) -> u32 {
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0u; }
    let v = bitcast<f32>(bits);
    if (v >= 2147483648.0) { return 0x7fffffffu; }
    if (v <= -2147483648.0) { return 0x80000000u; }
    return bitcast<u32>(i32(v));
}

fn f32_to_u32(bits: u32) -> u32 {
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0u; }
    let v = bitcast<f32>(bits);
    if (v >= 4294967296.0) { return 0xffffffffu; }
    if (v <= 0.0) { return 0u; }
    return u32(v);
}

fn convert(bits: u32) -> u32 {
    if (FROM == 0u && TO == 1u) { return f32_to_i32(bits); }
    if (FROM == 0u && TO == 2u) { return f32_to_u32(bits); }
    if (FROM == 1u && TO == 0u) { return bitcast<u32>(f32(bitcast<i32>(bits))); }
    if (FROM == 2u && TO == 0u) { return bitcast<u32>(f32(bits)); }
    return bits;
}

@compute @workgroup_size(WG)
fn cast_op(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i < params.n) {
        let c = coordinates(i);
        y[i] = convert(x[params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2
            + c.c3 * params.x3 + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7]);
    }
}

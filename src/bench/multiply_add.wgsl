// multiply_add — as many multiply-adds as an adapter can do: eight chains of vectors out of registers.
//
//   v_k ← v_k · ½ + x[i], 256 times, begun at v_k = k;  y[i] = Σ_k Σ_lanes v_k
//
// Shapes    x (n)  →  y (n)

struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn multiply_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.n {
        return;
    }
    let a = vec4(x[i]);
    var v0 = vec4(0.0);
    var v1 = vec4(1.0);
    var v2 = vec4(2.0);
    var v3 = vec4(3.0);
    var v4 = vec4(4.0);
    var v5 = vec4(5.0);
    var v6 = vec4(6.0);
    var v7 = vec4(7.0);
    for (var round = 0u; round < 256u; round++) {
        v0 = v0 * 0.5 + a;
        v1 = v1 * 0.5 + a;
        v2 = v2 * 0.5 + a;
        v3 = v3 * 0.5 + a;
        v4 = v4 * 0.5 + a;
        v5 = v5 * 0.5 + a;
        v6 = v6 * 0.5 + a;
        v7 = v7 * 0.5 + a;
    }
    let sum = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7));
    y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}

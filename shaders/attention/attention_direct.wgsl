// attention_direct — attention with one invocation a query; formula, shapes and numerics in attention.wgsl.
//
// The query and its output stay in registers; the lanes of a workgroup read the same keys and values, which a
// CPU loads once for all of them. No workgroup memory, no barrier.
//
// Grid      one workgroup per batch, head and 32 queries; an invocation per query
// Cost      2·T·S·(D + DV) flops a head; every key and value is read by every query; D and DV at most 256

// @import lib/grid
// @import lib/attention

const WG = 32u;
const N4 = 64u;   // fours of dims; those beyond D or DV are dropped when the pipeline is made

// Dims 4i … 4i + 3 of the key at base.
fn key4(base: u32, d: u32) -> vec4<f32> {
    var r = vec4(key_at(base + d * params.k_d), 0.0, 0.0, 0.0);
    if (d + 1u < D) { r.y = key_at(base + (d + 1u) * params.k_d); }
    if (d + 2u < D) { r.z = key_at(base + (d + 2u) * params.k_d); }
    if (d + 3u < D) { r.w = key_at(base + (d + 3u) * params.k_d); }
    return r;
}

fn value4(base: u32, d: u32) -> vec4<f32> {
    var r = vec4(value_at(base + d * params.v_d), 0.0, 0.0, 0.0);
    if (d + 1u < DV) { r.y = value_at(base + (d + 1u) * params.v_d); }
    if (d + 2u < DV) { r.z = value_at(base + (d + 2u) * params.v_d); }
    if (d + 3u < DV) { r.w = value_at(base + (d + 3u) * params.v_d); }
    return r;
}

fn query4(base: u32, d: u32) -> vec4<f32> {
    var r = vec4(q[base + d * params.q_d], 0.0, 0.0, 0.0);
    if (d + 1u < D) { r.y = q[base + (d + 1u) * params.q_d]; }
    if (d + 2u < D) { r.z = q[base + (d + 2u) * params.q_d]; }
    if (d + 3u < D) { r.w = q[base + (d + 3u) * params.q_d]; }
    return params.scale * r;
}

@compute @workgroup_size(WG)
fn attention_direct(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let t0 = place % params.tiles * WG;
    let h = place / params.tiles % params.heads;
    let b = place / params.tiles / params.heads;
    let t = t0 + lane;
    if (b >= params.batch || t >= params.rows) { return; }
    let q_base = params.q_offset + b * params.q_b + h * params.q_h + t * params.q_t;
    let k_base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    let v_base = params.v_offset + b * params.v_b + h / params.group * params.v_h;

    var query: array<vec4<f32>, N4>;
    var o: array<vec4<f32>, N4>;
    // @unroll
    for (var i = 0u; i < N4; i++) {
        if (4u * i < D) { query[i] = query4(q_base, 4u * i); }
    }
    var m = MASKED;
    var l = 0.0;
    let last = params.keys - 1u;
    let end = visible(min(t0 + WG, params.rows) - 1u);   // of the workgroup, so that addresses stay uniform
    for (var j = 0u; j < end; j += 4u) {
        let k0 = k_base + j * params.k_s;
        let k1 = k_base + min(j + 1u, last) * params.k_s;
        let k2 = k_base + min(j + 2u, last) * params.k_s;
        let k3 = k_base + min(j + 3u, last) * params.k_s;
        var s = vec4(0.0);
        // @unroll
        for (var i = 0u; i < N4; i++) {
            if (4u * i < D) {
                s.x += dot(query[i], key4(k0, 4u * i));
                s.y += dot(query[i], key4(k1, 4u * i));
                s.z += dot(query[i], key4(k2, 4u * i));
                s.w += dot(query[i], key4(k3, 4u * i));
            }
        }
        s = vec4(score(s.x, b, h, t, j), score(s.y, b, h, t, j + 1u),
            score(s.z, b, h, t, j + 2u), score(s.w, b, h, t, j + 3u));
        let before = m;
        m = max(m, max(max(s.x, s.y), max(s.z, s.w)));
        let shrink = exp2(before - m);
        let p = select(vec4(0.0), exp2(s - m), s > vec4(MASKED));
        l = l * shrink + (p.x + p.y + p.z + p.w);
        let v0 = v_base + j * params.v_s;
        let v1 = v_base + min(j + 1u, last) * params.v_s;
        let v2 = v_base + min(j + 2u, last) * params.v_s;
        let v3 = v_base + min(j + 3u, last) * params.v_s;
        // @unroll
        for (var i = 0u; i < N4; i++) {
            if (4u * i < DV) {
                o[i] = o[i] * shrink + p.x * value4(v0, 4u * i) + p.y * value4(v1, 4u * i)
                    + p.z * value4(v2, 4u * i) + p.w * value4(v3, 4u * i);
            }
        }
    }

    lse[(b * params.heads + h) * params.rows + t] = log_sum(m, l);
    let share = select(0.0, 1.0 / l, l > 0.0);
    let row = ((b * params.rows + t) * params.heads + h) * DV;
    // @unroll
    for (var i = 0u; i < N4; i++) {
        if (4u * i < DV) { y[row + 4u * i] = share * o[i].x; }
        if (4u * i + 1u < DV) { y[row + 4u * i + 1u] = share * o[i].y; }
        if (4u * i + 2u < DV) { y[row + 4u * i + 2u] = share * o[i].z; }
        if (4u * i + 3u < DV) { y[row + 4u * i + 3u] = share * o[i].w; }
    }
}

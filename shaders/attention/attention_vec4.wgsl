// attention_vec4 — attention for CPU adapters and many queries; formula, shapes and numerics in attention.wgsl.
//
// Queries and their outputs are an invocation's own; the lanes of a workgroup read the same keys and values, and each
// serves QUERIES queries of the lane.
//
// Shapes    D and DV are multiples of 4
// Grid      one workgroup per batch, head and 8 · QUERIES queries; an invocation per QUERIES queries, 8 apart
// Cost      2·T·S·(D + DV) flops a head; keys and values are read once per 8 · QUERIES queries; D and DV at most 256
// Tried     attention/f32/1x8x256x64, llvmpipe, Mesa 22.3.6, two busy cores, side by side: 3.2 times as fast as
//           attention.wgsl. 16 keys at once as fast as 8; 4 queries a lane 0.7 times; queries and outputs at constant
//           places, so without arrays, 1.3 times (a wrong result), but the loops over dims have to be unrolled: 72 s to
//           compile at D = 256; the last loop unrolled takes twice as long to compile. It compiles in seconds, so that
//           few queries are attention_direct's. What the loads of keys and values cost decides: one of four elements (a
//           wrong result) 1.9 times as fast, bindings of vec4 1.2 times, queries and outputs at constant places 1.15. The
//           arrays of 128 are written with zeros element by element: half as large, they compile in half the time, 2026-11

// @import lib/grid
// @import lib/attention

const WG = 8u;

override QUERIES: u32;   // 2, 4 or 8; times the fours of dims at most 128

fn query4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.q_d;
    return vec4(q[at.x], q[at.y], q[at.z], q[at.w]);
}

fn key4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.k_d;
    return vec4(key_at(at.x), key_at(at.y), key_at(at.z), key_at(at.w));
}

fn value4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.v_d;
    return vec4(value_at(at.x), value_at(at.y), value_at(at.z), value_at(at.w));
}

@compute @workgroup_size(WG)
fn attention_vec4(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = flat_group(group, groups);
    let t0 = place % params.tiles * WG * QUERIES;
    let h = place / params.tiles % params.heads;
    let b = place / params.tiles / params.heads;
    if (b >= params.batch) { return; }
    let q_base = params.q_offset + b * params.q_b + h * params.q_h;
    let k_base = params.k_offset + b * params.k_b + h / params.group * params.k_h;
    let v_base = params.v_offset + b * params.v_b + h / params.group * params.v_h;

    // Queries past the end repeat the last one and are not written.
    var query: array<vec4<f32>, 128>;   // (D/4, QUERIES)
    var o: array<vec4<f32>, 128>;       // (DV/4, QUERIES)
    for (var i = 0u; i < QUERIES; i++) {
        let t = min(t0 + i * WG + lane, params.rows - 1u);
        for (var d = 0u; d < params.dims; d += 4u) {
            query[d / 4u * QUERIES + i] = params.scale * query4(q_base + t * params.q_t, d);
        }
    }
    var m: array<f32, 8>;
    var l: array<f32, 8>;
    var shrink: array<f32, 8>;
    // @unroll
    for (var i = 0u; i < 8u; i++) { m[i] = MASKED; }
    let last = params.keys - 1u;
    let end = visible(min(t0 + WG * QUERIES, params.rows) - 1u);   // of the workgroup, so that addresses stay uniform
    for (var j = 0u; j < end; j += 8u) {
        let ja = min(j + vec4(0u, 1u, 2u, 3u), vec4(last));
        let jb = min(j + vec4(4u, 5u, 6u, 7u), vec4(last));
        let ka = k_base + ja * params.k_s;
        let kb = k_base + jb * params.k_s;
        var s: array<vec4<f32>, 16>;   // (QUERIES, 8 keys)
        // @unroll
        for (var i = 0u; i < 16u; i++) { s[i] = vec4(0.0); }
        for (var d = 0u; d < params.dims; d += 4u) {
            let k0 = key4(ka.x, d); let k1 = key4(ka.y, d); let k2 = key4(ka.z, d); let k3 = key4(ka.w, d);
            let k4 = key4(kb.x, d); let k5 = key4(kb.y, d); let k6 = key4(kb.z, d); let k7 = key4(kb.w, d);
            // @unroll
            for (var i = 0u; i < 8u; i++) {
                if (i < QUERIES) {
                    let a = query[d / 4u * QUERIES + i];
                    s[2u * i] += vec4(dot(a, k0), dot(a, k1), dot(a, k2), dot(a, k3));
                    s[2u * i + 1u] += vec4(dot(a, k4), dot(a, k5), dot(a, k6), dot(a, k7));
                }
            }
        }
        // @unroll
        for (var i = 0u; i < 8u; i++) {
            if (i < QUERIES) {
                let t = t0 + i * WG + lane;
                let sa = score(s[2u * i], b, h, t, j);
                let sb = score(s[2u * i + 1u], b, h, t, j + 4u);
                let most = max(m[i], max(largest(sa), largest(sb)));
                shrink[i] = exp2(m[i] - most);
                m[i] = most;
                s[2u * i] = weight(sa, most);
                s[2u * i + 1u] = weight(sb, most);
                l[i] = l[i] * shrink[i] + dot(s[2u * i], vec4(1.0)) + dot(s[2u * i + 1u], vec4(1.0));
            }
        }
        let va = v_base + ja * params.v_s;
        let vb = v_base + jb * params.v_s;
        for (var d = 0u; d < params.columns; d += 4u) {
            let v0 = value4(va.x, d); let v1 = value4(va.y, d); let v2 = value4(va.z, d); let v3 = value4(va.w, d);
            let v4 = value4(vb.x, d); let v5 = value4(vb.y, d); let v6 = value4(vb.z, d); let v7 = value4(vb.w, d);
            // @unroll
            for (var i = 0u; i < 8u; i++) {
                if (i < QUERIES) {
                    let at = d / 4u * QUERIES + i;
                    let p = s[2u * i];
                    let r = s[2u * i + 1u];
                    o[at] = o[at] * shrink[i] + p.x * v0 + p.y * v1 + p.z * v2 + p.w * v3
                        + r.x * v4 + r.y * v5 + r.z * v6 + r.w * v7;
                }
            }
        }
    }

    for (var i = 0u; i < QUERIES; i++) {
        let t = t0 + i * WG + lane;
        if (t < params.rows) {
            lse[(b * params.heads + h) * params.rows + t] = log_sum(m[i], l[i]);
            let share = select(0.0, 1.0 / l[i], l[i] > 0.0);
            let row = ((b * params.rows + t) * params.heads + h) * params.columns;
            for (var d = 0u; d < params.columns; d += 4u) {
                let r = share * o[d / 4u * QUERIES + i];
                y[row + d] = r.x;
                y[row + d + 1u] = r.y;
                y[row + d + 2u] = r.z;
                y[row + d + 3u] = r.w;
            }
        }
    }
}

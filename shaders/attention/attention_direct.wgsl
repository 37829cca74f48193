// attention_direct — attention with one invocation a query; formula, shapes and numerics in attention.wgsl.
//
// The query and its output are the invocation's own; the lanes of a workgroup read the same keys and values,
// which a CPU loads once for all of them. No workgroup memory, no barrier.
//
// Grid      one workgroup per batch, head and 8 queries; an invocation per query
// Cost      2·T·S·(D + DV) flops a head; every key and value is read by every query; D and DV at most 256
// Tried     loops over dims unrolled: 72 s to compile at D = 256, lavapipe 22.3.6, 2026-11

// @import lib/grid
// @import lib/attention

const WG = 8u;
const MOST = 64u;   // fours of dims

var<workgroup> query: array<vec4<f32>, 512>;   // (MOST, WG): every lane has its own
var<workgroup> o: array<vec4<f32>, 512>;       // (MOST, WG)

override TAIL: bool;   // D or DV is no multiple of 4

fn query4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.q_d;
    var r = vec4(q[at.x], 0.0, 0.0, 0.0);
    if (d + 1u < params.dims) { r.y = q[at.y]; }
    if (d + 2u < params.dims) { r.z = q[at.z]; }
    if (d + 3u < params.dims) { r.w = q[at.w]; }
    return r;
}

fn key4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.k_d;
    if (!TAIL) { return vec4(key_at(at.x), key_at(at.y), key_at(at.z), key_at(at.w)); }
    var r = vec4(key_at(at.x), 0.0, 0.0, 0.0);
    if (d + 1u < params.dims) { r.y = key_at(at.y); }
    if (d + 2u < params.dims) { r.z = key_at(at.z); }
    if (d + 3u < params.dims) { r.w = key_at(at.w); }
    return r;
}

fn value4(base: u32, d: u32) -> vec4<f32> {
    let at = base + vec4(d, d + 1u, d + 2u, d + 3u) * params.v_d;
    if (!TAIL) { return vec4(value_at(at.x), value_at(at.y), value_at(at.z), value_at(at.w)); }
    var r = vec4(value_at(at.x), 0.0, 0.0, 0.0);
    if (d + 1u < params.columns) { r.y = value_at(at.y); }
    if (d + 2u < params.columns) { r.z = value_at(at.z); }
    if (d + 3u < params.columns) { r.w = value_at(at.w); }
    return r;
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

    for (var d = 0u; d < params.dims; d += 4u) { query[d * 2u + lane] = params.scale * query4(q_base, d); }
    for (var d = 0u; d < params.columns; d += 4u) { o[d * 2u + lane] = vec4(0.0); }
    var m = MASKED;
    var l = 0.0;
    let last = params.keys - 1u;
    let end = visible(min(t0 + WG, params.rows) - 1u);   // of the workgroup, so that addresses stay uniform
    for (var j = 0u; j < end; j += 8u) {
        let ja = min(j + vec4(0u, 1u, 2u, 3u), vec4(last));
        let jb = min(j + vec4(4u, 5u, 6u, 7u), vec4(last));
        let ka = k_base + ja * params.k_s;
        let kb = k_base + jb * params.k_s;
        var sa = vec4(0.0);
        var sb = vec4(0.0);
        for (var d = 0u; d < params.dims; d += 4u) {
            let a = query[d * 2u + lane];
            sa += vec4(dot(a, key4(ka.x, d)), dot(a, key4(ka.y, d)), dot(a, key4(ka.z, d)), dot(a, key4(ka.w, d)));
            sb += vec4(dot(a, key4(kb.x, d)), dot(a, key4(kb.y, d)), dot(a, key4(kb.z, d)), dot(a, key4(kb.w, d)));
        }
        sa = score(sa, b, h, t, j);
        sb = score(sb, b, h, t, j + 4u);
        let before = m;
        m = max(m, max(largest(sa), largest(sb)));
        let shrink = exp2(before - m);
        let pa = weight(sa, m);
        let pb = weight(sb, m);
        l = l * shrink + dot(pa, vec4(1.0)) + dot(pb, vec4(1.0));
        let va = v_base + ja * params.v_s;
        let vb = v_base + jb * params.v_s;
        for (var d = 0u; d < params.columns; d += 4u) {
            let at = d * 2u + lane;
            o[at] = o[at] * shrink
                + pa.x * value4(va.x, d) + pa.y * value4(va.y, d) + pa.z * value4(va.z, d) + pa.w * value4(va.w, d)
                + pb.x * value4(vb.x, d) + pb.y * value4(vb.y, d) + pb.z * value4(vb.z, d) + pb.w * value4(vb.w, d);
        }
    }

    lse[(b * params.heads + h) * params.rows + t] = log_sum(m, l);
    let share = select(0.0, 1.0 / l, l > 0.0);
    let row = ((b * params.rows + t) * params.heads + h) * params.columns;
    for (var d = 0u; d < params.columns; d += 4u) {
        let r = share * o[d * 2u + lane];
        y[row + d] = r.x;
        if (d + 1u < params.columns) { y[row + d + 1u] = r.y; }
        if (d + 2u < params.columns) { y[row + d + 2u] = r.z; }
        if (d + 3u < params.columns) { y[row + d + 3u] = r.w; }
    }
}

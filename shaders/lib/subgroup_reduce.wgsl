// Sums and maxima of vectors over a workgroup: subgroup operations, then one exchange through workgroup memory. Every lane of the
// workgroup must make the call, since it has a barrier, and each call of a shader has a slot of its own, 0 or 1; every
// lane gets the same result.

const MOST_SUBGROUPS = 64u;   // 256 lanes in subgroups of four

struct Subgroup { id: u32, count: u32, lane: u32 }

var<workgroup> of_subgroups: array<f32, 128>;

fn exchange(v: f32, slot: u32, s: Subgroup) {
    if (s.lane == 0u) { of_subgroups[slot * MOST_SUBGROUPS + s.id] = v; }
    workgroupBarrier();
}

fn workgroup_sum(v: vec4<f32>, slot: u32, s: Subgroup) -> f32 {
    exchange(subgroupAdd((v.x + v.y) + (v.z + v.w)), slot, s);
    var all = of_subgroups[slot * MOST_SUBGROUPS];
    for (var i = 1u; i < s.count; i++) { all += of_subgroups[slot * MOST_SUBGROUPS + i]; }
    return all;
}

fn workgroup_max(v: vec4<f32>, slot: u32, s: Subgroup) -> f32 {
    exchange(subgroupMax(max(max(v.x, v.y), max(v.z, v.w))), slot, s);
    var all = of_subgroups[slot * MOST_SUBGROUPS];
    for (var i = 1u; i < s.count; i++) { all = max(all, of_subgroups[slot * MOST_SUBGROUPS + i]); }
    return all;
}

// Sums and maxima over a workgroup, as a tree whose order WG alone fixes. The importing file declares WG, a
// power of two, as a const or an override. Every lane of the workgroup must make the call, since it has
// barriers; every lane gets the result.

var<workgroup> partial: array<f32, WG>;

fn workgroup_sum(v: f32, lane: u32) -> f32 {
    workgroupBarrier();   // the result of a call before may still be read
    partial[lane] = v;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    return partial[0];
}

fn workgroup_max(v: f32, lane: u32) -> f32 {
    workgroupBarrier();
    partial[lane] = v;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
        workgroupBarrier();
    }
    return partial[0];
}

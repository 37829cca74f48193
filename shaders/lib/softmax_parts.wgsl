// What softmax.wgsl and log_softmax.wgsl share: the largest element m of a row and Σ exp(x − m), over a
// whole row by a workgroup, by one lane, or merged from parts of the row. −∞ (found by its bits, since WGSL
// may assume there is none) adds exactly 0. The importing file has x, parts and these fields in Params: cols,
// parts_per_row, part_cols.

const LOWEST = -3.4028235e38;

struct Softmax { m: f32, sum: f32 }

fn masked(v: f32) -> bool {
    return bitcast<u32>(v) == 0xff800000u;
}

fn lowest_if_masked(v: f32) -> f32 {
    return select(v, LOWEST, masked(v));
}

fn term(v: f32, m: f32) -> f32 {
    return select(exp(v - m), 0.0, masked(v));
}

// Elements base .. base + n, by all lanes of a workgroup.
fn softmax_of_range(base: u32, n: u32, lane: u32) -> Softmax {
    var largest = LOWEST;
    for (var c = lane; c < n; c += WG) { largest = max(largest, lowest_if_masked(x[base + c])); }
    let m = workgroup_max(largest, lane);
    var sum = 0.0;
    for (var c = lane; c < n; c += WG) { sum += term(x[base + c], m); }
    return Softmax(m, workgroup_sum(sum, lane));
}

// Elements base .. base + n, by one lane.
fn softmax_of_lane(base: u32, n: u32) -> Softmax {
    var m = LOWEST;
    for (var c = 0u; c < n; c++) { m = max(m, lowest_if_masked(x[base + c])); }
    var sum = 0.0;
    for (var c = 0u; c < n; c++) { sum += term(x[base + c], m); }
    return Softmax(m, sum);
}

// Elements of part p of a row; the last one is shorter. No part is empty.
fn part_len(p: u32) -> u32 {
    return min(params.part_cols, params.cols - p * params.part_cols);
}

fn write_part(part: u32, lane: u32) {
    let p = part % params.parts_per_row;
    let s = softmax_of_range(part / params.parts_per_row * params.cols + p * params.part_cols, part_len(p), lane);
    if (lane == 0u) {
        parts[2u * part] = s.m;
        parts[2u * part + 1u] = s.sum;
    }
}

// The parts of a row, a lane each: parts_per_row ≤ WG.
fn softmax_of_parts(row: u32, lane: u32) -> Softmax {
    var m_q = LOWEST;
    var sum_q = 0.0;
    if (lane < params.parts_per_row) {
        let q = 2u * (row * params.parts_per_row + lane);
        m_q = parts[q];
        sum_q = parts[q + 1u];
    }
    let m = workgroup_max(m_q, lane);
    return Softmax(m, workgroup_sum(sum_q * exp(m_q - m), lane));
}

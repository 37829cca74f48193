// Reductions as states that merge: what a lane has seen of one output, in whatever slices. The importing
// file declares `x: array<f32>` and the Params below; needs lib/strided, lib/wide and lib/math.
//
//   outputs, count        outputs, and elements reduced into each
//   parts                 slices of the split variant
//   divisor               of mean and variance
//   n0 … n7, x0 … x7      kept axes and their strides, x_offset first element (lib/strided)
//   r0 … r7, s0 … s7      reduced axes and their strides, the last is innermost

override R_RANK: u32 = 8u;

const SUM = 0u;
const MEAN = 1u;
const MAX = 2u;
const MIN = 3u;
const PROD = 4u;
const LOGSUMEXP = 5u;
const VARIANCE = 6u;
const ARGMAX = 7u;
const ARGMIN = 8u;

// a: sum, product, extreme or mean. b: Σ e^(x − a) or Σ (x − a)². i: elements seen (0 is the empty
// state), or for argmax and argmin 1 + the place of the extreme.
struct State { a: f32, b: f32, i: u32 }

// Where output o begins.
fn kept_offset(o: u32) -> u32 {
    let c = coordinates(o);
    return params.x_offset + c.c0 * params.x0 + c.c1 * params.x1 + c.c2 * params.x2 + c.c3 * params.x3
        + c.c4 * params.x4 + c.c5 * params.x5 + c.c6 * params.x6 + c.c7 * params.x7;
}

// Element r of the output that begins at base.
fn element(base: u32, r: u32) -> f32 {
    if (R_RANK == 1u) { return x[base + r * params.s7]; }
    var i = base + (r % params.r7) * params.s7;
    var left = r / params.r7;
    if (R_RANK > 2u) { i += (left % params.r6) * params.s6; left /= params.r6; } else { return x[i + left * params.s6]; }
    if (R_RANK > 3u) { i += (left % params.r5) * params.s5; left /= params.r5; } else { return x[i + left * params.s5]; }
    if (R_RANK > 4u) { i += (left % params.r4) * params.s4; left /= params.r4; } else { return x[i + left * params.s4]; }
    if (R_RANK > 5u) { i += (left % params.r3) * params.s3; left /= params.r3; } else { return x[i + left * params.s3]; }
    if (R_RANK > 6u) { i += (left % params.r2) * params.s2; left /= params.r2; } else { return x[i + left * params.s2]; }
    if (R_RANK > 7u) { i += (left % params.r1) * params.s1; left /= params.r1; } else { return x[i + left * params.s1]; }
    return x[i + left * params.s0];
}

fn empty(op: u32) -> State {
    return State(select(0.0, 1.0, op == PROD), 0.0, 0u);
}

// The state of elements first, first + step, … of one output, in this order.
fn gather(op: u32, base: u32, first: u32, step: u32) -> State {
    if (first >= params.count) { return empty(op); }
    let head = element(base, first);
    var s = State(head, 0.0, 1u);
    if (op == ARGMAX || op == ARGMIN) { s.i = first + 1u; }
    for (var r = first + step; r < params.count; r += step) {
        let v = element(base, r);
        switch op {
            case MAX, LOGSUMEXP: { s.a = max(s.a, v); }
            case MIN: { s.a = min(s.a, v); }
            case PROD: { s.a *= v; }
            case ARGMAX: { if (v > s.a) { s = State(v, 0.0, r + 1u); } }
            case ARGMIN: { if (v < s.a) { s = State(v, 0.0, r + 1u); } }
            default: { s.a += v; }
        }
    }
    if (op != VARIANCE && op != LOGSUMEXP) { return s; }
    // A second pass over the slice: no E[x²] − E[x]², no exponential above 1.
    if (op == VARIANCE) {
        s.i = (params.count - 1u - first) / step + 1u;
        s.a /= f32(s.i);
    } else {
        s.a = max(s.a, LOWEST);
    }
    for (var r = first; r < params.count; r += step) {
        let d = element(base, r) - s.a;
        if (op == VARIANCE) { s.b += d * d; } else { s.b += exp(d); }
    }
    return s;
}

// A row of −∞ must not give −∞ − (−∞).
const LOWEST = -3.40282347e38;

// The state of two slices together (variance: Chan, Golub, LeVeque 1979, eq. 2.1).
fn merge(op: u32, s: State, t: State) -> State {
    if (t.i == 0u) { return s; }
    if (s.i == 0u) { return t; }
    let n = s.i + t.i;
    switch op {
        case MAX: { return State(max(s.a, t.a), 0.0, n); }
        case MIN: { return State(min(s.a, t.a), 0.0, n); }
        case PROD: { return State(s.a * t.a, 0.0, n); }
        case LOGSUMEXP: {
            let m = max(s.a, t.a);
            return State(m, s.b * exp(s.a - m) + t.b * exp(t.a - m), n);
        }
        case VARIANCE: {
            let d = t.a - s.a;
            let share = f32(t.i) / f32(n);
            return State(s.a + d * share, s.b + t.b + d * d * share * f32(s.i), n);
        }
        case ARGMAX, ARGMIN: {
            let better = select(s.a > t.a, t.a > s.a, op == ARGMAX);
            if (better || (t.a == s.a && t.i < s.i)) { return t; }
            return s;
        }
        default: { return State(s.a + t.a, 0.0, n); }
    }
}

// The bits of the output.
fn finish(op: u32, s: State) -> u32 {
    switch op {
        case MEAN: { return bitcast<u32>(s.a / params.divisor); }
        case LOGSUMEXP: { return bitcast<u32>(s.a + log_of(s.b)); }
        case VARIANCE: { return bitcast<u32>(s.b / params.divisor); }
        case ARGMAX, ARGMIN: { return s.i - 1u; }   // every output has at least one element
        default: { return bitcast<u32>(s.a); }
    }
}

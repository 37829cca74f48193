// Exponential, logarithm, sine, cosine and power to a few ulp from + − × /: drivers may be off by 2^-21 in log
// near 1 and by 2^-11 in sine and cosine, and owe nothing beyond ±π. Needs lib/wide.
//
// The steps that cancel on purpose are exact in round-to-nearest; a driver that reassociates loses them.

// @import lib/exp

// A value the WGSL compiler must not see as a constant: it refuses constant infinities and NaN.
fn from_bits(bits: u32) -> f32 {
    var b = bits;
    return bitcast<f32>(b);
}

// ln v: v = 2^k·(1 + f) with 1 + f in [√½, √2), ln(1 + f) = f − (f²/2 − s·(f²/2 + R(s²))), s = f/(2 + f)
// (fdlibm, Sun Microsystems 1993). −inf at 0, NaN below.
fn log_of(v: f32) -> f32 {
    var bits = bitcast<u32>(v);
    if ((bits & 0x7fffffffu) == 0u) { return from_bits(0xff800000u); }
    if (bits >= 0x7f800000u) { return from_bits(select(bits, 0x7fc00000u, bits > 0x7f800000u)); }
    var k = -127;
    if (bits < 0x00800000u) {
        let shift = countLeadingZeros(bits) - 8u;
        bits <<= shift;
        k -= i32(shift) - 1;
        bits &= 0x007fffffu;
    } else {
        k += i32(bits >> 23u);
        bits &= 0x007fffffu;
    }
    let upper = bits >= 0x003504f3u;   // mantissa above √2
    k += select(0, 1, upper);
    let f = bitcast<f32>(bits | select(0x3f800000u, 0x3f000000u, upper)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z * (0.666667760 + z * (0.399775267 + z * 0.298721582));
    let half_square = 0.5 * f * f;
    let e = f32(k);
    return (f - (half_square - (s * (half_square + r) + e * -2.12194440e-4))) + e * 0.693359375;
}

struct Angle { r: f32, quadrant: i32 }

// v·2/π modulo 4 in integers, for |v| ≥ 2^13 (Payne, Hanek 1983): 96 bits of 2/π starting at the weight
// that decides the quadrant, times the 32-bit mantissa.
fn reduce_large_angle(v: f32) -> Angle {
    var two_over_pi = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u,
        0x3c439041u, 0xfe5163abu);
    let bits = bitcast<u32>(v);
    let mantissa = ((bits & 0x007fffffu) | 0x00800000u) << 8u;
    // |v| = mantissa·2^(exponent − 158); bit 30 of the first word has weight 2.
    let first = ((bits >> 23u) & 0xffu) - 128u;
    let word = min(first >> 5u, 4u);
    let shift = first & 31u;
    var w = array<u32, 3>();
    for (var i = 0u; i < 3u; i++) {
        // Two shifts, because a shift by 32 is undefined.
        w[i] = (two_over_pi[word + i] << shift) | ((two_over_pi[word + i + 1u] >> 1u) >> (31u - shift));
    }
    let low = mul_wide(mantissa, w[2]);
    let middle = mul_wide(mantissa, w[1]);
    let p1 = low.y + middle.x;
    let p2 = mantissa * w[0] + middle.y + select(0u, 1u, p1 < low.y);
    var quadrant = i32(p2 >> 30u);
    var high = (p2 << 2u) | (p1 >> 30u);
    var rest = (p1 << 2u) | (low.x >> 30u);
    let negative = high >= 0x80000000u;
    if (negative) {
        quadrant += 1;
        rest = ~rest;
        high = ~high;
    }
    let zeros = min(countLeadingZeros(high), 31u);
    let top = (high << zeros) | ((rest >> 1u) >> (31u - zeros));
    let r = f32(top) * 1.57079637 * bitcast<f32>((95u - zeros) << 23u);   // times 2^(−32 − zeros)
    let flip = negative != (bits >= 0x80000000u);
    return Angle(select(r, -r, flip), select(quadrant, -quadrant, bits >= 0x80000000u));
}

// v = quadrant·π/2 + r with |r| ≤ π/4, for every finite v. Below 2^13, π/2 in three parts (Cody, Waite
// 1980): the first two products and differences are exact.
fn reduce_angle(v: f32) -> Angle {
    if (abs(v) >= 8192.0) { return reduce_large_angle(v); }
    let q = round(v * 0.636619772);
    return Angle(((v - q * 1.5703125) - q * 4.837512969970703125e-4) - q * 7.54978995489188216e-8, i32(q));
}

// Sine for an even quadrant, cosine for an odd one (polynomials of Cephes, Moshier 1989).
fn sine_in(a: Angle, quadrant: i32) -> f32 {
    let z = a.r * a.r;
    let s = a.r + a.r * (z * (-1.6666654611e-1 + z * (8.3321608736e-3 + z * -1.9515295891e-4)));
    let c = (1.0 - 0.5 * z) + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let y = select(s, c, (quadrant & 1) == 1);
    return select(y, -y, (quadrant & 2) == 2);
}

fn sin_of(v: f32) -> f32 {
    let a = reduce_angle(v);
    return sine_in(a, a.quadrant);
}

fn cos_of(v: f32) -> f32 {
    let a = reduce_angle(v);
    return sine_in(a, a.quadrant + 1);
}

// a^b. 0^0 is 1; a negative base needs a whole exponent, otherwise NaN.
fn pow_of(a: f32, b: f32) -> f32 {
    if (b == 0.0 || a == 1.0) { return 1.0; }
    if (b == 1.0) { return a; }
    if (b == 2.0) { return a * a; }
    if (b == 3.0) { return a * a * a; }
    let half = 0.5 * b;
    let whole = floor(b) == b;
    let odd = whole && floor(half) != half;
    let flip = odd && bitcast<u32>(a) >= 0x80000000u;
    if (a == 0.0) {
        let y = from_bits(select(0x7f800000u, 0u, b > 0.0));
        return select(y, -y, flip);
    }
    if (a < 0.0 && !whole) { return from_bits(0x7fc00000u); }
    let y = exp_of(b * log_of(abs(a)));
    return select(y, -y, flip);
}

// Philox 4×32-10: 128 random bits from a 128-bit counter and a 64-bit key, without state (Salmon, Moraes, Dror,
// Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", §4.3). Needs lib/wide.

fn philox(counter: vec4<u32>, seed_key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var key = seed_key;
    for (var round = 0u; round < 10u; round++) {
        let p = mul_wide(0xd2511f53u, c.x);
        let q = mul_wide(0xcd9e8d57u, c.z);
        c = vec4<u32>(q.y ^ c.y ^ key.x, q.x, p.y ^ c.w ^ key.y, p.x);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);   // golden ratio, √3 − 1
    }
    return c;
}

// The 64-bit product of two u32, as (low, high): WGSL has no 64-bit integers.

fn mul_wide(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let middle = ah * bl + (low >> 16u);              // below 2³²: (2¹⁶ − 1)² + 2¹⁶ − 1
    let cross = al * bh + (middle & 0xffffu);
    return vec2<u32>((cross << 16u) | (low & 0xffffu), ah * bh + (middle >> 16u) + (cross >> 16u));
}

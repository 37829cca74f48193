// e^v = 2^n·e^r with |r| ≤ ln 2/2 (polynomial of Cephes, Moshier 1989): the error of a driver's own exp grows
// with |v|. The power of two comes in two halves, for denormal results.
fn exp_of(v: f32) -> f32 {
    let near = clamp(v, -104.0, 89.0);   // beyond, e^v is 0 or infinite in f32
    let n = round(near * 1.44269504);
    let r = (near - n * 0.693359375) - n * -2.12194440e-4;
    var p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    let half = i32(n) / 2;
    let first = bitcast<f32>(u32(half + 127) << 23u);
    let second = bitcast<f32>(u32(i32(n) - half + 127) << 23u);
    return ((p * r * r + r + 1.0) * first) * second;
}

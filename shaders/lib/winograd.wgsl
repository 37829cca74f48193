// Winograd's convolution of 3 × 3 windows, F(2×2, 3×3): a tile of 2 × 2 pixels of y, from 4 × 4 of x, takes 16 products
// in place of 36. Letters are the paper's: U the weights, V the image, M their products, each transformed; e = 4·row +
// column is an element of a transformed tile. Tiles lie in vectors of four neighbours of a row. The importing file
// declares the bindings and imports lib/conv.

fn tile_rows() -> u32 {
    return (params.oh + 1u) / 2u;
}

// Vectors of tiles of a row of tiles, and of all images.
fn row_vectors() -> u32 {
    return (params.ow + 7u) / 8u;
}

fn vectors() -> u32 {
    return params.batch * tile_rows() * row_vectors();
}

// Vectors of output channels: whole blocks of 16.
fn channel_vectors() -> u32 {
    return (params.o + 15u) / 16u * 4u;
}

// Rows 0 … 3 of G · (a, b, c)ᵀ.
fn weights_transform(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(a, 0.5 * (a + b + c), 0.5 * (a - b + c), c);
}

// Rows 0 … 3 of Bᵀ · (a, b, c, d)ᵀ.
fn image_transform(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(a - c, b + c, c - b, b - d);
}

// U = G g Gᵀ of input channel c and four output channels; those past the end are 0.
fn pack(i: u32) {
    let c = i / channel_vectors();
    let o = i % channel_vectors() * 4u;
    if (c >= params.c) { return; }
    var g: array<vec4<f32>, 9>;
    // @unroll
    for (var tap = 0u; tap < 9u; tap++) {
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            if (o + j < params.o) { g[tap][j] = weight(((o + j) * params.c + c) * 9u + tap); }
        }
    }
    let left = weights_transform(g[0], g[3], g[6]);
    let middle = weights_transform(g[1], g[4], g[7]);
    let right = weights_transform(g[2], g[5], g[8]);
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        let u = weights_transform(left[r], middle[r], right[r]);
        // @unroll
        for (var q = 0u; q < 4u; q++) {
            packed[((4u * r + q) * params.c + c) * channel_vectors() + o / 4u] = u[q];
        }
    }
}

// V = Bᵀ d B of input channel c and four neighbouring tiles; d is 0 outside x.
fn transform_image(i: u32) {
    let vector = i % vectors();
    let c = i / vectors();
    if (c >= params.c) { return; }
    let column = vector % row_vectors() * 8u;
    let row = vector / row_vectors() % tile_rows() * 2u;
    let image = vector / row_vectors() / tile_rows();
    var t: array<vec4<f32>, 16>;   // d B
    // @unroll
    for (var r = 0u; r < 4u; r++) {
        let at = row + r - min(row + r, params.top);
        let known = row + r >= params.top && at < params.h;
        let line = ((image * params.c + c) * params.h + at) * params.w_in;
        var s: array<f32, 10>;   // the row of x that the four tiles see
        // @unroll
        for (var j = 0u; j < 10u; j++) {
            let q = column + j - min(column + j, params.left);
            let here = known && column + j >= params.left && q < params.w_in;
            s[j] = select(0.0, x[select(0u, line + q, here)], here);
        }
        let even = vec4<f32>(s[2], s[4], s[6], s[8]);
        let odd = vec4<f32>(s[1], s[3], s[5], s[7]);
        let across = image_transform(vec4<f32>(s[0], even.xyz), odd, even, vec4<f32>(odd.yzw, s[9]));
        // @unroll
        for (var q = 0u; q < 4u; q++) { t[4u * r + q] = across[q]; }
    }
    // @unroll
    for (var q = 0u; q < 4u; q++) {
        let v = image_transform(t[q], t[4u + q], t[8u + q], t[12u + q]);
        // @unroll
        for (var r = 0u; r < 4u; r++) {
            transformed[((4u * r + q) * params.c + c) * vectors() + vector] = v[r];
        }
    }
}

// y = Aᵀ M A of output channel o and four neighbouring tiles, with the epilogue.
fn transform_products(i: u32) {
    let vector = i % vectors();
    let o = i / vectors();
    if (o >= params.o) { return; }
    let column = vector % row_vectors() * 8u;
    let row = vector / row_vectors() % tile_rows() * 2u;
    let image = vector / row_vectors() / tile_rows();
    var t: array<vec4<f32>, 8>;   // Aᵀ M, row by row
    // @unroll
    for (var q = 0u; q < 4u; q++) {
        let m0 = products[(q * params.o + o) * vectors() + vector];
        let m1 = products[((4u + q) * params.o + o) * vectors() + vector];
        let m2 = products[((8u + q) * params.o + o) * vectors() + vector];
        let m3 = products[((12u + q) * params.o + o) * vectors() + vector];
        t[q] = m0 + m1 + m2;
        t[4u + q] = m1 - m2 - m3;
    }
    let out = ((image * params.o + o) * params.oh + row) * params.ow + column;
    // @unroll
    for (var r = 0u; r < 2u; r++) {
        let even = t[4u * r] + t[4u * r + 1u] + t[4u * r + 2u];
        let odd = t[4u * r + 1u] - t[4u * r + 2u] - t[4u * r + 3u];
        // @unroll
        for (var j = 0u; j < 4u; j++) {
            let at = out + r * params.ow + 2u * j;
            if (row + r < params.oh && column + 2u * j < params.ow) { y[at] = finish(even[j], o, at); }
            if (row + r < params.oh && column + 2u * j + 1u < params.ow) { y[at + 1u] = finish(odd[j], o, at + 1u); }
        }
    }
}

// Weights with channels innermost: for every block of 4·QUADS channels of a group and every tap, QUADS vectors.
// All lanes of a workgroup then read the weights of a tap in a few loads. The importing file declares
// `packed`, QUADS and an entry point that calls pack.

fn blocks_of_group() -> u32 {
    return (params.o / params.groups + 4u * QUADS - 1u) / (4u * QUADS);
}

// Writes vector i of `packed`: channels past the end of a group are 0.
fn pack(i: u32) {
    let outer = params.o / params.groups;
    let terms = params.c / params.groups * params.kh * params.kw;
    let block = i / QUADS / terms;
    if (block >= params.groups * blocks_of_group()) { return; }
    let of_group = block / blocks_of_group();
    let channel = (block % blocks_of_group() * QUADS + i % QUADS) * 4u;
    let start = (of_group * outer + channel) * terms + i / QUADS % terms;
    var v = vec4<f32>();
    // @unroll
    for (var j = 0u; j < 4u; j++) {
        if (channel + j < outer) { v[j] = weight(start + j * terms); }
    }
    packed[i] = v;
}

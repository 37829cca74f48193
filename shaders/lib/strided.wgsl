// Strided access for up to eight axes. The importing file's Params has the axis sizes n0 … n7 (the last
// is innermost; unused leading axes are 1), and for each strided operand its strides and first element.
// Axes that all operands allow to merge arrive merged, so that most calls have one or two.

override RANK: u32 = 8u;

struct Coordinates { c0: u32, c1: u32, c2: u32, c3: u32, c4: u32, c5: u32, c6: u32, c7: u32 }

// The coordinates of element i in row-major order.
fn coordinates(i: u32) -> Coordinates {
    var c = Coordinates(0u, 0u, 0u, 0u, 0u, 0u, 0u, i);
    if (RANK > 1u) { c.c6 = c.c7 / params.n7; c.c7 = c.c7 % params.n7; }
    if (RANK > 2u) { c.c5 = c.c6 / params.n6; c.c6 = c.c6 % params.n6; }
    if (RANK > 3u) { c.c4 = c.c5 / params.n5; c.c5 = c.c5 % params.n5; }
    if (RANK > 4u) { c.c3 = c.c4 / params.n4; c.c4 = c.c4 % params.n4; }
    if (RANK > 5u) { c.c2 = c.c3 / params.n3; c.c3 = c.c3 % params.n3; }
    if (RANK > 6u) { c.c1 = c.c2 / params.n2; c.c2 = c.c2 % params.n2; }
    if (RANK > 7u) { c.c0 = c.c1 / params.n1; c.c1 = c.c1 % params.n1; }
    return c;
}

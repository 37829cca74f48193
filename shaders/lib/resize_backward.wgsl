// What the gradients of resizing share: the adjoint along columns, then along rows. An output's table entry says which
// positions it reads; range turns that around: outputs range[2·r] … range[2·r + 1] − 1 are the first to the last that
// read row r, and likewise, after the rows, for columns. Tables in any order are right, rising ones are fast.
//
// The importing file declares d_y, d_x, range and columns, and says
//   reads_row(i, r), reads_column(j, q)   whether output i reads row r, whether output j reads column q
//   of_row(i, r), of_column(j, q)         with what weight

struct Params { planes: u32, ih: u32, iw: u32, oh: u32, ow: u32 }

// Writes the range of row i, or of column i − IH.
fn find_range(i: u32) {
    if (i >= params.ih + params.iw) { return; }
    var first = 0u;
    var end = 0u;
    if (i < params.ih) {
        for (var k = 0u; k < params.oh; k++) {
            if (reads_row(k, i)) {
                first = select(first, k, end == 0u);
                end = k + 1u;
            }
        }
    } else {
        for (var k = 0u; k < params.ow; k++) {
            if (reads_column(k, i - params.ih)) {
                first = select(first, k, end == 0u);
                end = k + 1u;
            }
        }
    }
    range[2u * i] = first;
    range[2u * i + 1u] = end;
}

// Writes element i of columns: of a row of outputs, what reads column q.
fn gather_columns(i: u32) {
    if (i >= params.planes * params.oh * params.iw) { return; }
    let q = i % params.iw;
    let line = i / params.iw * params.ow;
    let end = range[2u * (params.ih + q) + 1u];
    var sum = 0.0;
    for (var j = range[2u * (params.ih + q)]; j < end; j++) {
        if (reads_column(j, q)) { sum += of_column(j, q) * d_y[line + j]; }
    }
    columns[i] = sum;
}

// Writes element i of d_x.
fn gather_rows(i: u32) {
    if (i >= params.planes * params.ih * params.iw) { return; }
    let r = i / params.iw % params.ih;
    let first = i / params.iw / params.ih * params.oh * params.iw + i % params.iw;
    let end = range[2u * r + 1u];
    var sum = 0.0;
    for (var k = range[2u * r]; k < end; k++) {
        if (reads_row(k, r)) { sum += of_row(k, r) * columns[first + k * params.iw]; }
    }
    d_x[i] = sum;
}

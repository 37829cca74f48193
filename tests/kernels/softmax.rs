//! Rows of the softmax family.

use crate::norm::fixture::{golden, input, tensor};
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::softmax::log_softmax::LOG_SOFTMAX;
use handmill::kernels::softmax::softmax::SOFTMAX;
use handmill::kernels::softmax::softmax_backward::{LOG_SOFTMAX_BACKWARD, SOFTMAX_BACKWARD};

const MASKED: f32 = f32::NEG_INFINITY;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = both(&SOFTMAX);
    rows.extend(both(&LOG_SOFTMAX));
    rows.extend(backward_rows());
    let axis = Row::new(&SOFTMAX, "f32/2x5x7/torch_axis_1").value(input("softmax_axis")).view(|x| x.transpose(1, 2));
    let expected = transposed(&tensor("softmax_axis", "outputs", "output").to_f64(), [2, 5, 7]);
    rows.extend([
        golden(Row::new(&SOFTMAX, "f32/2x5x7/torch").value(input("softmax")), "softmax"),
        axis.golden(0, &expected, 1e-6),
        // scipy.special.softmax([1., 2, 3])
        Row::new(&SOFTMAX, "f32/1x3/golden").list(&[1, 3], &[1.0, 2.0, 3.0]).golden(
            0,
            &[0.0900305732, 0.2447284711, 0.6652409558],
            1e-9,
        ),
        // scipy.special.log_softmax([1., 2, 3])
        Row::new(&LOG_SOFTMAX, "f32/1x3/golden").list(&[1, 3], &[1.0, 2.0, 3.0]).golden(
            0,
            &[-2.4076059644, -1.4076059644, -0.4076059644],
            1e-9,
        ),
    ]);
    rows
}

/// `(a, b, c)` as `(a, c, b)`.
fn transposed(values: &[f64], [a, b, c]: [usize; 3]) -> Vec<f64> {
    (0..a * b * c).map(|i| values[i / (b * c) * b * c + i % b * c + i / b % c]).collect()
}

fn both(kernel: &'static Kernel) -> Vec<Row> {
    let row = |r: usize, c: usize| Row::new(kernel, &format!("f32/{r}x{c}")).range(&[r, c], -4.0, 4.0);
    // 1, workgroup − 1, workgroup, workgroup + 1 for both workgroup sizes, primes, a vocabulary, more than
    // 65,535 groups; the parts of a long row have 4096 elements.
    let mut rows: Vec<Row> =
        [(8, 128), (1, 1), (3, 63), (3, 64), (3, 65), (17, 257), (2, 1025), (2, 8193), (1, 50_257), (65_537, 2)]
            .map(|(r, c)| row(r, c))
            .into();
    // The same edges in fours.
    rows.extend([(3, 252), (3, 256), (3, 260), (9, 1024), (2, 1028), (2, 8196)].map(|(r, c)| row(r, c)));
    let edges = [f32::MAX, -f32::MAX, 0.0, -0.0, 1e-40, f32::MIN_POSITIVE, 88.0, -104.0];
    let half_masked: Vec<f32> = (0..2 * 8193).map(|i| if i < 8193 - 5 { MASKED } else { (i % 7) as f32 }).collect();
    rows.extend([
        Row::new(kernel, "f32/2x3x17/batch").f32(&[2, 3, 17]),
        Row::new(kernel, "f32/7/one_row").f32(&[7]),
        Row::new(kernel, "f32/4x96/large").range(&[4, 96], -1000.0, 1000.0),
        Row::new(kernel, "f32/4x96/huge").range(&[4, 96], -3e38, 3e38),
        Row::new(kernel, "f32/2x8/all_equal").list(&[2, 8], &[3.0; 16]),
        Row::new(kernel, "f32/1x8/edges").list(&[1, 8], &edges),
        // One term near 1 and the others small: where ln(1 + small) loses digits.
        Row::new(kernel, "f32/2x3/dominant").list(&[2, 3], &[20.0, 0.0, 1.0, 9.0, 0.0, -50.0]),
        Row::new(kernel, "f32/3x4/masked")
            .list(&[3, 4], &[MASKED, 1.0, MASKED, 2.0, -f32::MAX, MASKED, MASKED, MASKED, 0.0, 0.0, MASKED, 0.0]),
        Row::new(kernel, "f32/2x3/all_masked").list(&[2, 3], &[MASKED, MASKED, MASKED, 1.0, 1.0, MASKED]),
        Row::new(kernel, "f32/2x4/all_masked").list(&[2, 4], &[MASKED, MASKED, MASKED, MASKED, 1.0, 2.0, MASKED, 0.0]),
        Row::new(kernel, "f32/2x8193/masked_parts").list(&[2, 8193], &half_masked),
        Row::new(kernel, "f32/5x33/strided").f32(&[33, 5]).view(|x| x.transpose(0, 1)),
    ]);
    rows
}

fn backward_rows() -> Vec<Row> {
    let mut rows = vec![
        // numpy: y*(d-(d*y).sum())
        Row::new(&SOFTMAX_BACKWARD, "f32/1x3/golden")
            .list(&[1, 3], &[0.25, 0.25, 0.5])
            .list(&[1, 3], &[1.0, 2.0, 4.0])
            .golden(0, &[-0.4375, -0.1875, 0.625], 0.0),
        // numpy: d-np.exp(y)*d.sum()
        Row::new(&LOG_SOFTMAX_BACKWARD, "f32/1x3/golden")
            .list(&[1, 3], &[-2.0, -1.0, -0.5])
            .list(&[1, 3], &[1.0, 2.0, 4.0])
            .golden(0, &[0.052653017343711084, -0.5751560882000963, -0.2457146179884342], 1e-14),
        // Masked elements, and a row of them: weights 0.
        Row::new(&SOFTMAX_BACKWARD, "f32/3x4/masked")
            .list(&[3, 4], &[0.0, 0.25, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
            .f32(&[3, 4]),
        Row::new(&LOG_SOFTMAX_BACKWARD, "f32/3x4/masked")
            .list(&[3, 4], &[MASKED, -1.0, -0.5, MASKED, MASKED, MASKED, MASKED, MASKED, 0.0, MASKED, MASKED, MASKED])
            .f32(&[3, 4]),
        Row::new(&LOG_SOFTMAX_BACKWARD, "f32/2x3/all_masked")
            .list(&[2, 3], &[MASKED, MASKED, MASKED, MASKED, -0.5, -1.0])
            .f32(&[2, 3]),
        Row::new(&LOG_SOFTMAX_BACKWARD, "f32/1x8/far")
            .list(&[1, 8], &[0.0, -0.0, -1e-40, -1e4, -90.0, -104.0, -f32::MAX, -1.0])
            .f32(&[1, 8]),
        // d_y − Σ cancels: the same gradient everywhere moves nothing.
        Row::new(&SOFTMAX_BACKWARD, "f32/3x64/d_y_all_equal").range(&[3, 64], 0.0, 0.03).list(&[3, 64], &[3.0; 192]),
    ];
    for kernel in [&SOFTMAX_BACKWARD, &LOG_SOFTMAX_BACKWARD] {
        let (low, high) = if std::ptr::eq(kernel, &SOFTMAX_BACKWARD) { (0.0, 0.5) } else { (-9.0, 0.0) };
        let sizes = [(8, 128), (1, 1), (3, 63), (3, 64), (3, 65), (17, 257), (2, 1025), (1, 50_257), (65_537, 2)];
        for (r, c) in sizes.into_iter().chain([(3, 252), (3, 256), (3, 260), (9, 1024), (2, 1028), (2, 8196)]) {
            rows.push(Row::new(kernel, &format!("f32/{r}x{c}")).range(&[r, c], low, high).f32(&[r, c]));
        }
        rows.push(Row::new(kernel, "f32/2x3x17/batch").range(&[2, 3, 17], low, high).f32(&[2, 3, 17]));
        rows.push(Row::new(kernel, "f32/7/one_row").range(&[7], low, high).f32(&[7]));
        rows.push(Row::new(kernel, "f32/4x96/d_y_large").range(&[4, 96], low, high).range(&[4, 96], -1e30, 1e30));
        rows.push(
            Row::new(kernel, "f32/5x33/strided")
                .range(&[33, 5], low, high)
                .view(|y| y.transpose(0, 1))
                .f32(&[33])
                .view(|d| d.broadcast_to(&[5, 33])),
        );
    }
    rows
}

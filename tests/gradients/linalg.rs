//! Rows of the linalg family. A view makes the symmetric matrix of its source, so that both places of an element move.

use super::judge::Gradient;
use super::row::Row;
use handmill::graph::Tensor;
use handmill::kernels::linalg::cholesky::CHOLESKY;
use handmill::kernels::linalg::solve_triangular::SOLVE_TRIANGULAR;
use handmill::tensor::Dtype;

/// `x·xᵀ` and three on the diagonal.
fn definite(x: Tensor<'_>) -> Tensor<'_> {
    let n = x.shape()[x.rank() - 1];
    let ones = x.graph().iota(Dtype::I32, n, 0.0, 1.0).one_hot(n);
    x.matmul(x.transpose(-1, -2)) + ones * 3.0
}

/// The lower triangle that is solved with: the elements of `x`, and three on the diagonal.
fn away_from_zero(x: Tensor<'_>) -> Tensor<'_> {
    let n = x.shape()[x.rank() - 1];
    x + x.graph().iota(Dtype::I32, n, 0.0, 1.0).one_hot(n) * 3.0
}

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let factor = |label: &str, shape: &[usize]| Row::new(&CHOLESKY, label).f32(shape).view(definite);
    let mut rows = vec![
        factor("f32/1x1", &[1, 1]),
        factor("f32/2x2", &[2, 2]),
        factor("f32/5x5", &[5, 5]),
        factor("f32/12x12", &[12, 12]),
        factor("f32/2x3x3x3/batch", &[2, 3, 3, 3]),
        // Only the lower triangle is read, so only it has gradients.
        Row::new(&CHOLESKY, "f32/3x3/lower").list(&[3, 3], &[4.0, 9.0, 9.0, 1.5, 5.0, 9.0, -2.0, 0.5, 3.0]),
        Row::new(&CHOLESKY, "f32/4x4/not_scaled").f32(&[4, 4]).view(away_from_zero),
    ];
    for transposed in [false, true] {
        let way = if transposed { "transposed" } else { "plain" };
        let solve = |sizes: &str, l: &[usize], b: &[usize]| {
            let row = Row::new(&SOLVE_TRIANGULAR, &format!("f32/{sizes}/{way}"));
            row.f32(l).view(away_from_zero).f32(b).param("transposed", transposed)
        };
        rows.extend([
            solve("1x1", &[1, 1], &[1, 1]),
            solve("4x3", &[4, 4], &[4, 3]),
            solve("11x2", &[11, 11], &[11, 2]),
            solve("2x3x4/batch", &[2, 3, 3], &[2, 3, 4]),
            solve("5x2/view", &[5, 5], &[2, 5]).view(|b| b.transpose(0, 1)),
        ]);
    }
    rows.into_iter().map(Gradient::of).collect()
}

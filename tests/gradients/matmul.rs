//! Rows of the matmul family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::matmul::matmul::MATMUL;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let row = |label: &str, a: &[usize], w: &[usize]| Row::new(&MATMUL, label).f32(a).f32(w);
    let rows = vec![
        row("f32/3x4x5", &[3, 4], &[4, 5]),
        row("f32/1x1x1", &[1, 1], &[1, 1]),
        row("f32/1x7x3", &[1, 7], &[7, 3]),
        row("f32/5x4x3/w_transposed", &[5, 4], &[3, 4]).view(|t| t.transpose(0, 1)),
        Row::new(&MATMUL, "f32/5x4x3/both_transposed")
            .f32(&[4, 5])
            .view(|t| t.transpose(0, 1))
            .f32(&[3, 4])
            .view(|t| t.transpose(0, 1)),
        row("f32/b3/2x4x5", &[3, 2, 4], &[3, 4, 5]),
        row("f32/b2x3/4x5x3/shared", &[2, 3, 4, 5], &[5, 3]),
        row("f32/b2x3/4x5x3/shared_transposed", &[2, 3, 4, 5], &[3, 5]).view(|t| t.transpose(0, 1)),
        row("f32/b2x3/2x3x4/broadcast_w", &[2, 3, 2, 3], &[2, 1, 3, 4]),
        row("f32/b2x3/2x3x4/broadcast_first_of_w", &[2, 3, 2, 3], &[3, 3, 4]),
        row("f32/b2x3/2x3x4/broadcast_both", &[3, 2, 3], &[2, 1, 3, 4]),
        row("f32/b4/3x2x3/one_a", &[3, 2], &[4, 2, 3]),
        row("f32/b3/1x4x2/rows_from_batch", &[3, 1, 4], &[4, 2]),
        row("f32/b2x1x2x3/2x2x2", &[2, 1, 2, 1, 2, 2], &[1, 2, 1, 3, 2, 2]),
        Row::new(&MATMUL, "f32/b2x3/4x2x4/heads")
            .f32(&[2, 4, 6])
            .view(|t| t.heads(3))
            .f32(&[2, 4, 6])
            .view(|t| t.heads(3).transpose(-1, -2)),
        Row::new(&MATMUL, "f32/3x4x5/stepped").f32(&[3, 8]).view(|t| t.slice_step(1, 1, 4, 2)).f32(&[4, 5]),
        Row::new(&MATMUL, "f32/5x3x4/row_repeated").f32(&[1, 3]).view(|t| t.broadcast_to(&[5, 3])).f32(&[3, 4]),
        row("f32/2x3x4/activations", &[2, 3], &[3, 4])
            .f32(&[4])
            .f32(&[2, 4])
            .param("activation", "silu")
            .param("activation_out", "tanh")
            .param("scale", 0.5),
        row("f32/b2/3x4x5/bias", &[2, 3, 4], &[4, 5]).f32(&[5]),
        row("f32/b2/3x4x5/residual", &[2, 3, 4], &[4, 5]).none().f32(&[2, 3, 5]),
        row("f32/b2/3x4x5/scale", &[2, 3, 4], &[4, 5]).f32(&[5]).f32(&[2, 3, 5]).param("scale", -0.375),
        row("f32/b2/3x4x5/activation", &[2, 3, 4], &[4, 5]).param("activation", "silu"),
        row("f32/b2/3x4x5/activation_out", &[2, 3, 4], &[4, 5]).f32(&[5]).param("activation_out", "tanh"),
        row("f32/b2/3x4x5/everything", &[2, 3, 4], &[4, 5])
            .f32(&[5])
            .f32(&[2, 3, 5])
            .param("scale", 0.75)
            .param("activation", "gelu")
            .param("activation_out", "sigmoid"),
    ];
    rows.into_iter().map(Gradient::of).collect()
}

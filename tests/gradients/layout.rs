//! Rows of the layout family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::layout::copy::COPY;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let row = |label: &str, shape: &[usize]| Row::new(&COPY, label).f32(shape);
    let copies = vec![
        row("f32/3x5", &[3, 5]),
        row("f32/1", &[1]),
        row("f32/scalar", &[]),
        row("f32/2x3x4/permuted", &[2, 3, 4]).view(|t| t.permute(&[2, 0, 1])),
        row("f32/5x9/sliced", &[5, 9]).view(|t| t.slice(0, 1, 3).slice(1, 4, 5)),
        row("f32/5x9/stepped", &[5, 9]).view(|t| t.slice_step(1, 1, 4, 2).slice_step(0, 0, 3, 2)),
        row("f32/3x1x5/broadcast", &[3, 1, 5]).view(|t| t.broadcast_to(&[2, 3, 4, 5])),
        row("f32/scalar/broadcast", &[]).view(|t| t.broadcast_to(&[7, 3])),
        row("f32/2x6x4/heads", &[2, 6, 12]).view(|t| t.slice(-1, 4, 8).heads(2)),
        row("f32/2x3x4x5/sliced_permuted", &[2, 3, 4, 5])
            .view(|t| t.slice(1, 1, 2).permute(&[3, 1, 0, 2]).slice_step(0, 1, 2, 2)),
        row("f32/4x3x5/sliced_broadcast", &[4, 3, 5])
            .view(|t| t.slice(0, 1, 2).slice(2, 2, 1).broadcast_to(&[2, 3, 4])),
        row("f32/8_axes_stepped", &[3, 2, 1, 2, 3, 2, 1, 2])
            .view(|t| t.slice_step(0, 0, 2, 2).slice(1, 1, 1).slice_step(4, 0, 2, 2).slice_step(5, 0, 2, 1)),
        row("f32/3x5/pitch", &[3, 5]).param("pitch", 8i64),
    ];
    copies.into_iter().map(Gradient::of).collect()
}

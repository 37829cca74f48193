//! Rows of the elementwise family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::elementwise::binary::{ADD, DIV, MUL, SUB};
use handmill::kernels::elementwise::unary::{NEG, SQUARE};

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let two = |kernel, label: &str| Row::new(kernel, label).f32(&[3, 5]).range(&[3, 5], 0.5, 2.0);
    let rows = vec![
        Row::new(&NEG, "f32/7").f32(&[7]),
        Row::new(&SQUARE, "f32/7").f32(&[7]),
        two(&ADD, "f32/3x5"),
        two(&SUB, "f32/3x5"),
        two(&MUL, "f32/3x5"),
        two(&DIV, "f32/3x5"),
        Row::new(&MUL, "f32/2x3x4/broadcast")
            .f32(&[3, 1])
            .view(|t| t.broadcast_to(&[2, 3, 4]))
            .f32(&[4])
            .view(|t| t.broadcast_to(&[2, 3, 4])),
    ];
    rows.into_iter().map(Gradient::of).collect()
}

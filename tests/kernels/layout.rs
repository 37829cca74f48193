//! Rows of the layout family.

use crate::row::Row;
use handmill::kernels::layout::copy::COPY;

/// Every row.
pub fn rows() -> Vec<Row> {
    vec![
        Row::new(&COPY, "f32/3x5").f32(&[3, 5]),
        Row::new(&COPY, "f32/2x3x4/permuted").f32(&[2, 3, 4]).view(|t| t.permute(&[2, 0, 1])),
        Row::new(&COPY, "f32/3x5/pitch").f32(&[3, 5]).param("pitch", 8i64),
    ]
}

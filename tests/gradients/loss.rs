//! Rows of the loss family.

use super::judge::Gradient;
use super::row::Row;
use handmill::HostTensor;
use handmill::kernels::loss::cross_entropy::CROSS_ENTROPY;
use handmill::kernels::loss::elementwise::{BCE_WITH_LOGITS, HUBER};

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let z = |label: &str| Row::new(&CROSS_ENTROPY, label).range(&[4, 5], -2.0, 2.0).ids(&[4], 5);
    let weighted = |label: &str| z(label).range(&[5], 0.1, 2.0);
    let two = |label: &str| Row::new(&BCE_WITH_LOGITS, label).range(&[3, 5], -3.0, 3.0).range(&[3, 5], 0.0, 1.0);
    vec![
        Gradient::of(z("f32/4x5").none()),
        Gradient::of(z("f32/4x5/smoothing").none().param("label_smoothing", 0.2)),
        Gradient::of(z("f32/4x5/ignored").none().param("ignore_index", 1i64)),
        Gradient::of(weighted("f32/4x5/weights")).constant(2),
        Gradient::of(weighted("f32/4x5/weights_smoothing").param("label_smoothing", 0.3)).constant(2),
        Gradient::of(
            Row::new(&CROSS_ENTROPY, "f32/3x6/extreme")
                .list(
                    &[3, 6],
                    &[30.0, -30.0, 1.0, 0.0, 29.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 8.0, 7.0, -9.0, 0.0, 3.0],
                )
                .value(HostTensor::i32(&[3], vec![1, 4, -100]))
                .none(),
        ),
        Gradient::of(Row::new(&CROSS_ENTROPY, "f32/2x3x4/batch").f32(&[2, 3, 4]).ids(&[2, 3], 4).none()),
        Gradient::of(
            Row::new(&CROSS_ENTROPY, "f32/5x4/transposed").f32(&[4, 5]).view(|z| z.transpose(0, 1)).ids(&[5], 4).none(),
        ),
        Gradient::of(two("f32/3x5")),
        Gradient::of(two("f32/3x5/constant_target")).constant(1),
        // Within and beyond delta, none near it.
        Gradient::of(
            Row::new(&HUBER, "f32/6")
                .list(&[6], &[0.25, -3.0, 2.0, 1.0, -1.5, 5.0])
                .list(&[6], &[0.5, 1.0, 1.5, -2.0, -1.0, 0.0])
                .param("delta", 0.75),
        ),
    ]
}

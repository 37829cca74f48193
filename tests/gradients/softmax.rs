//! Rows of the softmax family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::softmax::log_softmax::LOG_SOFTMAX;
use handmill::kernels::softmax::softmax::SOFTMAX;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let of = |kernel: &'static Kernel| {
        let row = |label: &str, shape: &[usize]| Row::new(kernel, label).range(shape, -3.0, 3.0);
        [
            row("f32/7", &[7]),
            row("f32/3x8", &[3, 8]),
            row("f32/9x5/short_rows", &[9, 5]),
            row("f32/2x3x4/middle", &[2, 3, 4]).view(|x| x.transpose(1, 2)),
            row("f32/4x1/of_one", &[4, 1]),
            row("f32/3x5/repeated", &[5]).view(|x| x.broadcast_to(&[3, 5])),
            Row::new(kernel, "f32/1x3/apart").list(&[1, 3], &[6.0, -6.0, 5.5]),
        ]
    };
    [&SOFTMAX, &LOG_SOFTMAX].into_iter().flat_map(of).map(Gradient::of).collect()
}

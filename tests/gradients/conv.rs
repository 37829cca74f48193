//! Rows of the conv family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use handmill::kernels::conv::conv2d::CONV2D;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let mut all = conv2d();
    all.extend(conv_transpose2d());
    all
}

fn conv2d() -> Vec<Gradient> {
    let row = |label: &str, x: &[usize], w: &[usize]| Row::new(&CONV2D, label).f32(x).f32(w);
    vec![
        Gradient::of(row("f32/1x1x1x1/one", &[1, 1, 1, 1], &[1, 1, 1, 1])),
        Gradient::of(row("f32/2x2x5x4/3x3/bias", &[2, 2, 5, 4], &[3, 2, 3, 3]).f32(&[3]).param("padding", [1usize; 4])),
        Gradient::of(
            row("f32/1x4x6x5/all", &[1, 4, 6, 5], &[6, 2, 2, 3])
                .f32(&[6])
                .f32(&[1, 6, 4, 2])
                .param("stride", [2usize, 3])
                .param("padding", [1usize, 2, 3, 0])
                .param("dilation", [2usize, 1])
                .param("groups", 2usize)
                .param("scale", 0.5),
        ),
        Gradient::of(row("f32/1x2x7x5/rows_unseen", &[1, 2, 7, 5], &[2, 2, 2, 1]).param("stride", [3usize, 2])),
        Gradient::of(
            row("f32/2x3x4x4/depthwise", &[2, 3, 4, 4], &[3, 1, 3, 3])
                .param("padding", [1usize; 4])
                .param("groups", 3usize),
        ),
        Gradient::of(
            Row::new(&CONV2D, "f32/1x3x4x4/strided")
                .f32(&[1, 4, 4, 3])
                .view(|x| x.permute(&[0, 3, 1, 2]))
                .f32(&[2, 2, 3, 2])
                .view(|w| w.permute(&[3, 2, 0, 1])),
        ),
        Gradient::of(row("f32/1x2x4x4/constant_w", &[1, 2, 4, 4], &[2, 2, 3, 3])).constant(1),
        Gradient::of(row("f32/1x2x4x4/constant_x", &[1, 2, 4, 4], &[2, 2, 3, 3])).constant(0),
        Gradient::of(Row::new(&CONV2D, "f16/1x2x4x4/f16_w").f32(&[1, 2, 4, 4]).f16(&[2, 2, 3, 3])).constant(1),
    ]
}

fn conv_transpose2d() -> Vec<Gradient> {
    let row = |label: &str, x: &[usize], w: &[usize]| Row::new(&CONV_TRANSPOSE2D, label).f32(x).f32(w);
    vec![
        Gradient::of(row("f32/1x1x1x1/one", &[1, 1, 1, 1], &[1, 1, 1, 1])),
        Gradient::of(
            row("f32/2x2x3x4/4x4s2", &[2, 2, 3, 4], &[2, 3, 4, 4])
                .f32(&[3])
                .param("stride", [2usize, 2])
                .param("padding", [1usize, 1]),
        ),
        Gradient::of(
            row("f32/1x4x3x3/groups2", &[1, 4, 3, 3], &[4, 3, 2, 3])
                .f32(&[6])
                .param("stride", [3usize, 1])
                .param("padding", [1usize, 0])
                .param("output_padding", [2usize, 0])
                .param("groups", 2usize),
        ),
        // The padding added is more than a stride.
        Gradient::of(
            row("f32/1x2x3x3/padding_beyond", &[1, 2, 3, 3], &[2, 2, 2, 2])
                .param("stride", [1usize, 2])
                .param("output_padding", [2usize, 3])
                .param("dilation", [3usize, 4]),
        ),
    ]
}

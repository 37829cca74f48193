//! Rows of the pool family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::pool::adaptive_avg_pool2d::ADAPTIVE_AVG_POOL2D;
use handmill::kernels::pool::avg_pool2d::AVG_POOL2D;
use handmill::kernels::pool::max_pool2d::MAX_POOL2D;
use handmill::kernels::pool::stochastic_pool2d::STOCHASTIC_POOL2D;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    [max_pool2d(), avg_pool2d(), adaptive_avg_pool2d(), stochastic_pool2d()].into_iter().flatten().collect()
}

/// Different values, none of them 0, in an order that looks random: the largest of a window stays so when one moves a
/// little.
fn apart(shape: &[usize]) -> HostTensor {
    let n: usize = shape.iter().product();
    HostTensor::f32(shape, (0..n).map(|i| ((i * 37 % n) as f32 + 0.5) / n as f32 - 0.5).collect())
}

fn max_pool2d() -> Vec<Gradient> {
    let row = |label: &str, shape: &[usize]| Row::new(&MAX_POOL2D, label).value(apart(shape));
    vec![
        Gradient::of(row("f32/2x2x4x6/k2", &[2, 2, 4, 6]).param("kernel", [2usize])),
        Gradient::of(
            row("f32/1x2x7x5/overlapping", &[1, 2, 7, 5])
                .param("kernel", [3usize])
                .param("stride", [2usize, 1])
                .param("padding", [1usize])
                .param("ceil_mode", true),
        ),
        Gradient::of(
            row("f32/1x1x7x8/dilated", &[1, 1, 7, 8])
                .param("kernel", [2usize, 3])
                .param("stride", [1usize])
                .param("dilation", [3usize, 2])
                .param("padding", [0usize, 1]),
        ),
        Gradient::of(
            Row::new(&MAX_POOL2D, "f32/1x3x4x4/strided")
                .value(apart(&[1, 4, 4, 3]))
                .view(|x| x.permute(&[0, 3, 1, 2]))
                .param("kernel", [2usize]),
        ),
    ]
}

fn avg_pool2d() -> Vec<Gradient> {
    let row = |label: &str, shape: &[usize]| Row::new(&AVG_POOL2D, label).f32(shape);
    let padded = |label: &str| {
        row(label, &[2, 1, 5, 6])
            .param("kernel", [3usize, 2])
            .param("stride", [2usize])
            .param("padding", [1usize])
            .param("ceil_mode", true)
    };
    vec![
        Gradient::of(row("f32/2x2x4x6/k2", &[2, 2, 4, 6]).param("kernel", [2usize])),
        Gradient::of(row("f32/1x2x5x5/overlapping", &[1, 2, 5, 5]).param("kernel", [3usize]).param("stride", [1usize])),
        Gradient::of(padded("f32/2x1x5x6/padded")),
        Gradient::of(padded("f32/2x1x5x6/inside").param("count_include_pad", false)),
    ]
}

fn adaptive_avg_pool2d() -> Vec<Gradient> {
    let row = |label: &str, shape: &[usize], out: [usize; 2]| {
        Gradient::of(Row::new(&ADAPTIVE_AVG_POOL2D, label).f32(shape).param("output_size", out))
    };
    vec![
        row("f32/2x3x5x4/to1x1", &[2, 3, 5, 4], [1, 1]),
        row("f32/1x2x7x5/to3x4", &[1, 2, 7, 5], [3, 4]),
        row("f32/1x2x3x2/to5x7", &[1, 2, 3, 2], [5, 7]),
    ]
}

fn stochastic_pool2d() -> Vec<Gradient> {
    let row = |label: &str| Row::new(&STOCHASTIC_POOL2D, label).value(apart(&[1, 2, 5, 6]));
    // The first window has nothing to draw.
    let zeros = [-0.5, -0.25, 0.5, 0.75, -1.0, -0.125, 0.25, 0.625];
    let windows = |row: Row| row.param("kernel", [2usize]).param("stride", [1usize, 2]);
    let zero = |label: &str| Row::new(&STOCHASTIC_POOL2D, label).list(&[1, 1, 2, 4], &zeros).param("kernel", [2usize]);
    vec![
        Gradient::of(windows(row("f32/1x2x5x6/mean").none())),
        Gradient::of(windows(row("f32/1x2x5x6/drawn").range(&[1, 2, 4, 3], 0.0, 1.0))).constant(1),
        Gradient::of(zero("f32/1x1x2x4/zeros").none()),
        Gradient::of(zero("f32/1x1x2x4/zeros_drawn").list(&[1, 1, 1, 2], &[0.3, 0.7])).constant(1),
    ]
}

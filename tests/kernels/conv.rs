//! Rows of the conv family.

use crate::norm::fixture;
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use handmill::kernels::conv::conv2d::CONV2D;
use handmill::kernels::elementwise::activation;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = goldens();
    all.extend(shapes());
    all.extend(epilogues());
    all.extend(transposed());
    all
}

/// PyTorch's own inputs, weights and output of a layer; a sequence is an image of one row.
fn torch(kernel: &'static Kernel, layer: &str) -> Row {
    let square = |t: HostTensor| match *t.shape() {
        [b, c, n] => t.reshape(&[b, c, 1, n]).unwrap_or_else(|e| panic!("{layer}: {e}")),
        _ => t,
    };
    let row = Row::new(kernel, &format!("f32/{layer}/golden"))
        .value(square(fixture::input(layer)))
        .value(square(fixture::weight(layer, "weight")));
    let row = if layer == "conv2d_pointwise" { row.none() } else { row.value(fixture::weight(layer, "bias")) };
    fixture::golden(row, layer)
}

fn goldens() -> Vec<Row> {
    let conv = |layer| torch(&CONV2D, layer);
    let transposed = |layer| torch(&CONV_TRANSPOSE2D, layer).param("stride", [2, 2]).param("padding", [1, 1]);
    vec![
        conv("conv2d").param("padding", [1, 1, 1, 1]),
        conv("conv2d_asymmetric").param("stride", [2, 1]).param("padding", [1, 1, 2, 2]).param("dilation", [1, 2]),
        conv("conv2d_depthwise").param("padding", [1, 1, 1, 1]).param("groups", 6usize),
        conv("conv2d_dilated").param("padding", [2, 2, 2, 2]).param("dilation", [2, 2]),
        conv("conv2d_groups").param("padding", [1, 1, 1, 1]).param("groups", 2usize),
        conv("conv2d_pointwise"),
        conv("conv2d_same").param("padding", [1, 1, 1, 2]),
        conv("conv2d_strided").param("stride", [2, 2]).param("padding", [1, 1, 1, 1]),
        conv("conv1d").param("stride", [1, 2]).param("padding", [0, 0, 1, 1]),
        conv("conv1d_dilated_groups").param("padding", [0, 0, 2, 2]).param("dilation", [1, 2]).param("groups", 2usize),
        transposed("conv_transpose2d"),
        torch(&CONV_TRANSPOSE2D, "conv_transpose2d_dilated").param("padding", [1, 1]).param("dilation", [2, 2]),
        transposed("conv_transpose2d_groups").param("groups", 2usize),
        transposed("conv_transpose2d_output_padding").param("output_padding", [1, 1]),
    ]
}

/// `x` and `w` without bias and residual.
fn plain(label: &str, x: &[usize], w: &[usize]) -> Row {
    Row::new(&CONV2D, label).f32(x).f32(w)
}

fn shapes() -> Vec<Row> {
    let same = |n: usize| [n; 4];
    vec![
        plain("f32/1x1x1x1/one", &[1, 1, 1, 1], &[1, 1, 1, 1]),
        plain("f32/1x16x8x8/3x3", &[1, 16, 8, 8], &[16, 16, 3, 3]).param("padding", same(1)),
        plain("f32/2x3x13x11/3x3", &[2, 3, 13, 11], &[17, 3, 3, 3]).param("padding", same(1)),
        plain("f32/2x5x7x12/5x5", &[2, 5, 7, 12], &[9, 5, 5, 5]).param("padding", same(2)),
        plain("f32/1x3x20x20/7x7s2", &[1, 3, 20, 20], &[5, 3, 7, 7]).param("padding", same(3)).param("stride", [2, 2]),
        plain("f32/2x8x6x4/1x1", &[2, 8, 6, 4], &[20, 8, 1, 1]),
        plain("f32/1x8x5x5/1x1s2", &[1, 8, 5, 5], &[3, 8, 1, 1]).param("stride", [2, 2]),
        plain("f32/1x4x9x8/even", &[1, 4, 9, 8], &[6, 4, 2, 4]).param("padding", [0, 1, 1, 2]),
        plain("f32/1x4x6x8/wide_padding", &[1, 4, 6, 8], &[4, 4, 3, 3]).param("padding", [3, 0, 4, 2]),
        plain("f32/1x4x6x8/left_only", &[1, 4, 6, 8], &[4, 4, 1, 5]).param("padding", [0, 0, 4, 0]),
        plain("f32/1x4x6x8/right_only", &[1, 4, 6, 8], &[4, 4, 1, 5]).param("padding", [0, 0, 0, 4]),
        plain("f32/1x4x6x4/beyond", &[1, 4, 6, 4], &[2, 4, 3, 3]).param("padding", [5, 5, 9, 9]),
        plain("f32/1x2x12x12/dilated", &[1, 2, 12, 12], &[4, 2, 3, 3])
            .param("padding", same(3))
            .param("dilation", [3, 3]),
        plain("f32/1x2x12x12/rows_dilated", &[1, 2, 12, 12], &[4, 2, 3, 3])
            .param("padding", [2, 2, 1, 1])
            .param("dilation", [2, 1])
            .param("stride", [3, 1]),
        plain("f32/2x12x5x8/groups3", &[2, 12, 5, 8], &[6, 4, 3, 3]).param("padding", same(1)).param("groups", 3usize),
        plain("f32/1x6x5x7/depthwise", &[1, 6, 5, 7], &[6, 1, 3, 3]).param("padding", same(1)).param("groups", 6usize),
        plain("f32/2x3x8x8/depthwise_x2", &[2, 3, 8, 8], &[6, 1, 3, 3])
            .param("padding", same(1))
            .param("groups", 3usize),
        plain("f32/1x2x40x4/groups_of_20", &[1, 2, 40, 4], &[40, 1, 2, 1]).param("groups", 2usize),
        plain("f32/3x5x9x15/pixels_over_images", &[3, 5, 9, 15], &[70, 5, 2, 2]),
        plain("f32/1x2x1x16/sequence", &[1, 2, 1, 16], &[3, 2, 1, 3]).param("padding", [0, 0, 2, 0]),
        plain("f32/1x1x64x65/63_65", &[1, 1, 64, 65], &[1, 1, 2, 1]),
        plain("f32/1x1x257x256/over_65535_groups", &[1, 1, 257, 256], &[65, 1, 1, 1]).param("stride", [1, 1]),
        Row::new(&CONV2D, "f16/1x6x7x8/3x3").f32(&[1, 6, 7, 8]).f16(&[5, 6, 3, 3]).param("padding", same(1)),
        Row::new(&CONV2D, "f16/1x3x7x9/odd").f32(&[1, 3, 7, 9]).f16(&[5, 3, 3, 3]).param("padding", same(1)),
        plain("f32/1x4x6x8/large", &[1, 4, 6, 8], &[4, 4, 3, 3]).param("scale", 1e30).param("padding", same(1)),
        Row::new(&CONV2D, "f32/1x2x4x4/all_equal").list(&[1, 2, 4, 4], &[0.1; 32]).list(&[2, 2, 3, 3], &[0.3; 36]),
        Row::new(&CONV2D, "f32/1x2x4x4/denormal").list(&[1, 2, 4, 4], &[1e-39; 32]).f32(&[2, 2, 3, 3]),
        Row::new(&CONV2D, "f32/1x2x4x4/signed_zero").list(&[1, 2, 4, 4], &[-0.0; 32]).f32(&[2, 2, 3, 3]),
    ]
}

fn epilogues() -> Vec<Row> {
    let base = |label: &str| plain(label, &[2, 4, 5, 8], &[18, 4, 3, 3]).param("padding", [1, 1, 1, 1]);
    let mut all = vec![
        base("f32/2x4x5x8/bias").f32(&[18]),
        base("f32/2x4x5x8/residual").none().f32(&[2, 18, 5, 8]),
        base("f32/2x4x5x8/all")
            .f32(&[18])
            .f32(&[2, 18, 5, 8])
            .param("scale", 0.5)
            .param("activation", "silu")
            .param("activation_out", "relu"),
        plain("f32/2x4x5x7/all", &[2, 4, 5, 7], &[6, 2, 3, 3])
            .param("groups", 2usize)
            .f32(&[6])
            .f32(&[2, 6, 3, 5])
            .param("activation", "relu")
            .param("activation_out", "gelu"),
    ];
    for (i, name) in activation::NAMES.iter().enumerate() {
        let other = activation::NAMES[(i + 5) % activation::NAMES.len()];
        all.push(
            plain(&format!("f32/1x2x4x5/{name}_{other}"), &[1, 2, 4, 5], &[2, 2, 2, 2])
                .f32(&[2])
                .f32(&[1, 2, 3, 4])
                .param("activation", *name)
                .param("activation_out", other),
        );
    }
    all
}

fn transposed() -> Vec<Row> {
    let row = |label: &str, x: &[usize], w: &[usize]| Row::new(&CONV_TRANSPOSE2D, label).f32(x).f32(w);
    vec![
        row("f32/1x1x1x1/one", &[1, 1, 1, 1], &[1, 1, 1, 1]),
        row("f32/2x5x7x6/3x3s2", &[2, 5, 7, 6], &[5, 3, 3, 3]).f32(&[3]).param("stride", [2, 2]),
        row("f32/1x4x5x5/3x2s3x1", &[1, 4, 5, 5], &[4, 2, 3, 2]).param("stride", [3, 1]).param("padding", [1, 0]),
        row("f32/1x4x5x5/gaps", &[1, 4, 5, 5], &[4, 2, 2, 2]).param("stride", [4, 3]).param("output_padding", [3, 1]),
        row("f32/1x6x5x4/groups3", &[1, 6, 5, 4], &[6, 2, 4, 4])
            .param("stride", [2, 2])
            .param("padding", [1, 1])
            .param("groups", 3usize),
        row("f32/1x2x6x6/dilated", &[1, 2, 6, 6], &[2, 2, 3, 3]).param("dilation", [2, 3]).param("padding", [2, 3]),
        row("f32/1x3x37x41/prime", &[1, 3, 37, 41], &[3, 1, 2, 2]).param("stride", [2, 2]),
        Row::new(&CONV_TRANSPOSE2D, "f16/1x3x5x5/odd").f32(&[1, 3, 5, 5]).f16(&[3, 3, 3, 3]).param("stride", [2, 2]),
        Row::new(&CONV_TRANSPOSE2D, "f32/1x2x3x3/all_equal")
            .list(&[1, 2, 3, 3], &[0.1; 18])
            .list(&[2, 1, 2, 2], &[0.3; 8]),
        Row::new(&CONV_TRANSPOSE2D, "f32/1x1x2x2/denormal").list(&[1, 1, 2, 2], &[1e-39; 4]).f32(&[1, 1, 2, 2]),
    ]
}

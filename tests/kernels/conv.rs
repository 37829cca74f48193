//! Rows of the conv family.

use crate::norm::fixture;
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use handmill::kernels::conv::conv2d::CONV2D;
use handmill::kernels::conv::conv2d_backward_data::CONV2D_BACKWARD_DATA;
use handmill::kernels::conv::conv2d_backward_weight::CONV2D_BACKWARD_WEIGHT;
use handmill::kernels::elementwise::activation;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = goldens();
    all.extend(shapes());
    all.extend(three_by_three());
    all.extend(epilogues());
    all.extend(transposed());
    all.extend(gradients());
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
        plain("f32/3x20x5x12/1x1_two_tiles", &[3, 20, 5, 12], &[65, 20, 1, 1]),
        plain("f32/1x40x2x2/1x1_groups", &[1, 40, 2, 2], &[34, 20, 1, 1]).param("groups", 2usize),
        plain("f32/1x17x4x4/1x1_prime", &[1, 17, 4, 4], &[16, 17, 1, 1]),
        plain("f32/2x8x3x3/1x1_odd_plane", &[2, 8, 3, 3], &[16, 8, 1, 1]),
        plain("f32/2x8x4x4/1x1_padded", &[2, 8, 4, 4], &[16, 8, 1, 1]).param("padding", same(1)),
        Row::new(&CONV2D, "f16/1x24x4x5/1x1").f32(&[1, 24, 4, 5]).f16(&[18, 24, 1, 1]),
        Row::new(&CONV2D, "f16/1x20x4x5/1x1_odd").f32(&[1, 20, 4, 5]).f16(&[18, 20, 1, 1]),
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
        plain("f32/2x5x9x12/depthwise_5x5", &[2, 5, 9, 12], &[5, 1, 5, 5])
            .param("padding", same(2))
            .param("groups", 5usize),
        plain("f32/1x3x13x16/depthwise_s2", &[1, 3, 13, 16], &[3, 1, 3, 3])
            .param("padding", same(1))
            .param("stride", [2, 2])
            .param("groups", 3usize),
        plain("f32/1x4x7x8/depthwise_3x4s3x1", &[1, 4, 7, 8], &[4, 2, 3, 4])
            .param("padding", [4, 0, 3, 1])
            .param("stride", [3, 1])
            .param("groups", 2usize),
        plain("f32/1x2x33x36/depthwise_lanes", &[1, 2, 33, 36], &[2, 1, 3, 1]).param("groups", 2usize),
        plain("f32/1x3x5x8/depthwise_all", &[1, 3, 5, 8], &[3, 1, 3, 3])
            .param("padding", same(1))
            .param("groups", 3usize)
            .f32(&[3])
            .f32(&[1, 3, 5, 8])
            .param("activation", "hardswish")
            .param("activation_out", "relu"),
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

/// Windows of 3 × 3 over enough channels for Winograd's transforms, whose tiles are 2 × 2 pixels, four in a vector.
fn three_by_three() -> Vec<Row> {
    let padded = |label: &str, x: &[usize], w: &[usize]| plain(label, x, w).param("padding", [1, 1, 1, 1]);
    vec![
        plain("f32/1x64x3x3/one_tile", &[1, 64, 3, 3], &[16, 64, 3, 3]),
        padded("f32/1x67x1x1/one_pixel", &[1, 67, 1, 1], &[16, 67, 3, 3]),
        padded("f32/2x67x7x9/odd", &[2, 67, 7, 9], &[21, 67, 3, 3]),
        padded("f32/3x64x14x14/two_tiles", &[3, 64, 14, 14], &[65, 64, 3, 3]),
        plain("f32/1x81x6x19/unpadded", &[1, 81, 6, 19], &[33, 81, 3, 3]),
        plain("f32/1x64x6x8/16x3x3/wide_padding", &[1, 64, 6, 8], &[16, 64, 3, 3]).param("padding", [3, 0, 4, 2]),
        padded("f32/2x256x4x4/many_channels", &[2, 256, 4, 4], &[16, 256, 3, 3]),
        sparse(16),
        sparse(64),
        Row::new(&CONV2D, "f32/1x64x6x6/all_equal_3x3")
            .list(&[1, 64, 6, 6], &[0.1; 64 * 36])
            .list(&[16, 64, 3, 3], &[0.3; 16 * 64 * 9]),
        Row::new(&CONV2D, "f32/1x64x6x6/denormal_3x3").list(&[1, 64, 6, 6], &[1e-39; 64 * 36]).f32(&[16, 64, 3, 3]),
        Row::new(&CONV2D, "f32/1x64x6x6/signed_zero_3x3").list(&[1, 64, 6, 6], &[-0.0; 64 * 36]).f32(&[16, 64, 3, 3]),
        Row::new(&CONV2D, "f16/1x64x7x8/16x3x3").f32(&[1, 64, 7, 8]).f16(&[17, 64, 3, 3]),
        padded("f32/2x64x5x6/16x3x3/all", &[2, 64, 5, 6], &[18, 64, 3, 3])
            .f32(&[18])
            .f32(&[2, 18, 5, 6])
            .param("scale", 0.5)
            .param("activation", "silu")
            .param("activation_out", "relu"),
    ]
}

/// Zeros but for one value a channel, of sizes up to 1000 apart: outputs whose windows see none are exactly 0.
fn sparse(channels: usize) -> Row {
    let value = |i: usize| if i % 63 == i / 63 % 63 { 1.0 + (i % 1000) as f32 } else { 0.0 };
    let x: Vec<f32> = (0..2 * channels * 63).map(value).collect();
    Row::new(&CONV2D, &format!("f32/2x{channels}x7x9/sparse")).list(&[2, channels, 7, 9], &x).f32(&[16, channels, 3, 3])
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
    for (i, [activation, out]) in [["none", "none"], ["relu", "relu"], ["gelu", "silu"]].into_iter().enumerate() {
        let pointwise = plain(&format!("f32/2x8x6x4/1x1_{activation}_{out}"), &[2, 8, 6, 4], &[33, 8, 1, 1]);
        let row = pointwise.f32(&[33]).f32(&[2, 33, 6, 4]).param("scale", 0.5 + i as f64);
        all.push(row.param("activation", activation).param("activation_out", out));
    }
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
        row("f32/2x17x5x6/4x4s2_two_tiles", &[2, 17, 5, 6], &[17, 65, 4, 4])
            .f32(&[65])
            .param("stride", [2, 2])
            .param("padding", [1, 1]),
        row("f32/1x20x4x5/tiled_gaps", &[1, 20, 4, 5], &[20, 16, 2, 2])
            .param("stride", [4, 3])
            .param("output_padding", [3, 1]),
        row("f32/2x32x5x6/tiled_groups", &[2, 32, 5, 6], &[32, 17, 3, 3])
            .f32(&[34])
            .param("stride", [2, 1])
            .param("dilation", [1, 2])
            .param("groups", 2usize),
        row("f32/2x16x4x4/tiled_common", &[2, 16, 4, 4], &[16, 18, 3, 4])
            .param("stride", [2, 4])
            .param("dilation", [2, 2])
            .param("padding", [2, 1]),
        row("f32/2x6x5x4/1x1", &[2, 6, 5, 4], &[6, 17, 1, 1]).f32(&[17]),
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

/// Sizes of a convolution whose gradients are tested.
struct Sizes {
    note: &'static str,
    x: [usize; 4],
    w: [usize; 4],
    y: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
}

impl Sizes {
    /// Of `x`, `w` and the windows `y`, with `padding` on every side.
    fn new(note: &'static str, x: [usize; 4], w: [usize; 4], y: [usize; 2], padding: usize) -> Sizes {
        Sizes { note, x, w, y, stride: [1, 1], padding: [padding; 4], dilation: [1, 1], groups: 1 }
    }

    fn params(&self, row: Row) -> Row {
        row.param("stride", self.stride)
            .param("padding", self.padding)
            .param("dilation", self.dilation)
            .param("groups", self.groups)
    }

    /// A row for the image and one for the weights.
    fn rows(self) -> [Row; 2] {
        let ([b, c, h, w], [o, inner, kh, kw]) = (self.x, self.w);
        let d_y = [b, o, self.y[0], self.y[1]];
        let label = format!("f32/{b}x{c}x{h}x{w}/{o}x{inner}x{kh}x{kw}/{}", self.note);
        let data = Row::new(&CONV2D_BACKWARD_DATA, &label).f32(&d_y).f32(&self.w).param("input_size", [h, w]);
        let weight = Row::new(&CONV2D_BACKWARD_WEIGHT, &label).f32(&self.x).f32(&d_y).param("kernel", [kh, kw]);
        [data, weight].map(|row| self.params(row))
    }
}

fn gradients() -> Vec<Row> {
    let new = Sizes::new;
    let sizes = [
        new("one", [1, 1, 1, 1], [1, 1, 1, 1], [1, 1], 0),
        new("3x3", [1, 16, 8, 8], [16, 16, 3, 3], [8, 8], 1),
        new("prime", [2, 17, 13, 11], [19, 17, 3, 3], [13, 11], 1),
        new("5x5", [2, 5, 7, 12], [9, 5, 5, 5], [7, 12], 2),
        Sizes { stride: [2, 2], ..new("7x7s2", [1, 3, 20, 20], [5, 3, 7, 7], [10, 10], 3) },
        new("1x1", [2, 20, 6, 4], [23, 20, 1, 1], [6, 4], 0),
        // Rows and columns that no window sees.
        Sizes { stride: [2, 3], ..new("1x1s2x3", [1, 18, 6, 9], [3, 18, 1, 1], [3, 3], 0) },
        Sizes { stride: [3, 3], ..new("unseen", [2, 18, 13, 12], [17, 18, 2, 2], [4, 4], 0) },
        Sizes { stride: [7, 9], ..new("stride_beyond", [1, 2, 3, 4], [2, 2, 2, 3], [1, 1], 0) },
        Sizes { padding: [0, 1, 1, 2], ..new("even", [1, 4, 9, 8], [6, 4, 2, 4], [9, 8], 0) },
        Sizes { padding: [3, 0, 4, 2], ..new("wide_padding", [1, 4, 6, 6], [4, 4, 3, 3], [7, 10], 0) },
        Sizes { padding: [0, 0, 4, 0], ..new("left_only", [1, 4, 6, 8], [4, 4, 1, 5], [6, 8], 0) },
        Sizes { padding: [0, 0, 0, 4], ..new("right_only", [1, 4, 6, 8], [4, 4, 1, 5], [6, 8], 0) },
        Sizes { dilation: [3, 2], ..new("dilated", [1, 17, 12, 12], [4, 17, 3, 3], [12, 14], 3) },
        // Strides and dilations with and without a common factor: taps that reach no phase, and every second one.
        Sizes { stride: [2, 3], dilation: [3, 2], ..new("coprime", [2, 16, 11, 10], [16, 16, 3, 3], [5, 4], 2) },
        Sizes { stride: [2, 4], dilation: [2, 2], ..new("common", [2, 16, 11, 15], [16, 16, 3, 4], [6, 4], 2) },
        Sizes { groups: 3, ..new("groups3", [2, 12, 5, 8], [6, 4, 3, 3], [5, 8], 1) },
        Sizes { groups: 2, ..new("groups_of_18", [1, 36, 5, 4], [40, 18, 2, 3], [4, 2], 0) },
        Sizes { groups: 6, ..new("depthwise", [1, 6, 5, 7], [6, 1, 3, 3], [5, 7], 1) },
        Sizes { groups: 3, ..new("depthwise_x2", [2, 3, 8, 8], [6, 1, 3, 3], [8, 8], 1) },
        Sizes { padding: [0, 0, 2, 0], ..new("sequence", [1, 2, 1, 16], [3, 2, 1, 3], [1, 16], 0) },
        new("tiles", [3, 65, 9, 15], [70, 65, 2, 2], [8, 14], 0),
        new("63_channels", [1, 63, 4, 4], [63, 63, 1, 2], [4, 3], 0),
        new("many_pixels", [3, 2, 129, 131], [2, 2, 2, 2], [128, 130], 0),
    ];
    let mut all: Vec<Row> = sizes.into_iter().flat_map(Sizes::rows).collect();
    all.extend(gradient_values());
    all.push(
        Row::new(&CONV2D_BACKWARD_DATA, "f32/1x65x257x256/over_65535_groups")
            .f32(&[1, 1, 257, 256])
            .f32(&[1, 65, 1, 1])
            .param("input_size", [257usize, 256]),
    );
    all.push(
        Row::new(&CONV2D_BACKWARD_WEIGHT, "f32/1x1x300x301/small_weight_large_image")
            .f32(&[1, 1, 300, 301])
            .f32(&[1, 1, 298, 299])
            .param("kernel", [3usize, 3]),
    );
    all.push(
        Row::new(&CONV2D_BACKWARD_WEIGHT, "f32/1x1x1x40001/column")
            .f32(&[1, 1, 40001, 1])
            .f32(&[1, 1, 40000, 1])
            .param("kernel", [2usize, 1]),
    );
    all
}

// numpy: f = lambda x, w: np.einsum('hwuv,ouv->ohw', sliding_window_view(np.pad(x, ((0,0),(1,0))), (2,3))[::2], w)
// and d, w, x = arange(1., …) reshaped to (2,2,2), (2,2,3), (4,3):
// [(f(e.reshape(4, 3), w) * d).sum() for e in np.eye(12)], [(f(x, e.reshape(2, 2, 3)) * d).sum() for e in np.eye(12)]
const DATA: [f64; 12] = [86.0, 100.0, 60.0, 128.0, 142.0, 84.0, 122.0, 144.0, 84.0, 188.0, 210.0, 120.0];
const WEIGHT: [f64; 12] = [30.0, 58.0, 68.0, 48.0, 88.0, 98.0, 62.0, 130.0, 156.0, 104.0, 208.0, 234.0];

fn gradient_values() -> Vec<Row> {
    let data = |note: &str| Row::new(&CONV2D_BACKWARD_DATA, &format!("f32/1x2x4x4/{note}"));
    let weight = |note: &str| Row::new(&CONV2D_BACKWARD_WEIGHT, &format!("f32/1x2x4x4/{note}"));
    let size = [4usize, 4];
    let count = |n: usize| (1..=n).map(|i| i as f32).collect::<Vec<_>>();
    vec![
        data("all_equal").list(&[1, 2, 2, 2], &[0.1; 8]).list(&[2, 2, 3, 3], &[0.3; 36]).param("input_size", size),
        data("denormal").list(&[1, 2, 2, 2], &[1e-39; 8]).f32(&[2, 2, 3, 3]).param("input_size", size),
        data("large").list(&[1, 2, 2, 2], &[1e30; 8]).f32(&[2, 2, 3, 3]).param("input_size", size),
        data("signed_zero").list(&[1, 2, 2, 2], &[-0.0; 8]).f32(&[2, 2, 3, 3]).param("input_size", size),
        Row::new(&CONV2D_BACKWARD_DATA, "f16/1x3x7x8/odd")
            .f32(&[1, 5, 7, 8])
            .f16(&[5, 3, 3, 3])
            .param("padding", [1usize; 4])
            .param("input_size", [7usize, 8]),
        Row::new(&CONV2D_BACKWARD_DATA, "f16/1x17x4x4/tiled")
            .f32(&[1, 5, 4, 4])
            .f16(&[5, 17, 3, 3])
            .param("padding", [1usize; 4])
            .param("input_size", size),
        weight("all_equal").list(&[1, 2, 4, 4], &[0.1; 32]).list(&[1, 2, 2, 2], &[0.3; 8]).param("kernel", [3usize; 2]),
        weight("denormal").list(&[1, 2, 4, 4], &[1e-39; 32]).f32(&[1, 2, 2, 2]).param("kernel", [3usize; 2]),
        weight("large").list(&[1, 2, 4, 4], &[1e30; 32]).f32(&[1, 2, 2, 2]).param("kernel", [3usize; 2]),
        weight("signed_zero").list(&[1, 2, 4, 4], &[-0.0; 32]).f32(&[1, 2, 2, 2]).param("kernel", [3usize; 2]),
        Row::new(&CONV2D_BACKWARD_DATA, "f32/1x1x4x3/golden")
            .list(&[1, 2, 2, 2], &count(8))
            .list(&[2, 1, 2, 3], &count(12))
            .param("stride", [2usize, 1])
            .param("padding", [0usize, 0, 1, 0])
            .param("input_size", [4usize, 3])
            .golden(0, &DATA, 0.0),
        Row::new(&CONV2D_BACKWARD_WEIGHT, "f32/1x1x4x3/golden")
            .list(&[1, 1, 4, 3], &count(12))
            .list(&[1, 2, 2, 2], &count(8))
            .param("stride", [2usize, 1])
            .param("padding", [0usize, 0, 1, 0])
            .param("kernel", [2usize, 3])
            .golden(0, &WEIGHT, 0.0),
        data("strided")
            .f32(&[1, 4, 3, 2])
            .view(|d| d.permute(&[0, 3, 1, 2]))
            .f32(&[2, 2, 1, 2])
            .param("input_size", size),
        weight("strided")
            .f32(&[1, 4, 4, 2])
            .view(|x| x.permute(&[0, 3, 1, 2]))
            .f32(&[1, 3, 3, 3])
            .param("kernel", [2usize; 2]),
    ]
}

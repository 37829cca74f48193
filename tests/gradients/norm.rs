//! Rows of the norm family.

use super::judge::Gradient;
use super::row::Row;
use handmill::Kernel;
use handmill::kernels::elementwise::activation;
use handmill::kernels::norm::batch_norm::BATCH_NORM;
use handmill::kernels::norm::batch_norm_train::BATCH_NORM_TRAIN;
use handmill::kernels::norm::group_norm::GROUP_NORM;
use handmill::kernels::norm::instance_norm::INSTANCE_NORM;
use handmill::kernels::norm::layer_norm::LAYER_NORM;
use handmill::kernels::norm::rms_norm::RMS_NORM;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let all = [layer_norm(), rms_norm(), group_norm(), instance_norm(), batch_norm(), batch_norm_train()];
    all.into_iter().flatten().map(Gradient::of).collect()
}

fn affine(kernel: &'static Kernel, label: &str, shape: &[usize], channels: usize) -> Row {
    Row::new(kernel, label).f32(shape).f32(&[channels]).f32(&[channels]).param("eps", 0.1)
}

fn layer_norm() -> Vec<Row> {
    vec![
        affine(&LAYER_NORM, "f32/3x5", &[3, 5], 5),
        affine(&LAYER_NORM, "f32/2x3x8", &[2, 3, 8], 8),
        affine(&LAYER_NORM, "f32/7", &[7], 7),
        Row::new(&LAYER_NORM, "f32/9x6/plain").f32(&[9, 6]).none().none(),
        Row::new(&LAYER_NORM, "f32/3x7/w").f32(&[3, 7]).f32(&[7]).none(),
        Row::new(&LAYER_NORM, "f32/3x7/b").f32(&[3, 7]).none().f32(&[7]),
        Row::new(&LAYER_NORM, "f32/4x6/transposed").f32(&[6, 4]).view(|x| x.transpose(0, 1)).f32(&[6]).none(),
    ]
}

fn rms_norm() -> Vec<Row> {
    vec![
        Row::new(&RMS_NORM, "f32/3x5").f32(&[3, 5]).f32(&[5]).param("eps", 0.1),
        Row::new(&RMS_NORM, "f32/2x3x8").f32(&[2, 3, 8]).f32(&[8]),
        Row::new(&RMS_NORM, "f32/10x6/plain").f32(&[10, 6]).none(),
    ]
}

fn group_norm() -> Vec<Row> {
    let row = |label: &str, shape: &[usize], groups: usize| {
        affine(&GROUP_NORM, label, shape, shape[1]).param("num_groups", groups)
    };
    let mut rows = vec![
        row("f32/2x6x3/g2", &[2, 6, 3], 2),
        row("f32/3x4/g1", &[3, 4], 1),
        row("f32/1x4x2x3/g4", &[1, 4, 2, 3], 4),
        row("f32/2x3x17/g1", &[2, 3, 17], 1),
        Row::new(&GROUP_NORM, "f32/2x4x3x2/g2/shift")
            .f32(&[2, 4, 3, 2])
            .f32(&[4])
            .f32(&[4])
            .f32(&[2, 4])
            .param("num_groups", 2usize)
            .param("activation", "silu"),
        Row::new(&GROUP_NORM, "f32/2x4x5/g2/plain").f32(&[2, 4, 5]).none().none().param("num_groups", 2usize),
        row("f32/2x4x3/g2/both_activations", &[2, 4, 3], 2).param("activation", "tanh").param("activation_out", "silu"),
    ];
    rows.extend(
        activation::NAMES
            .iter()
            .filter(|name| **name != "none")
            .map(|name| row(&format!("f32/2x4x3/g2/{name}"), &[2, 4, 3], 2).param("activation", *name)),
    );
    rows
}

fn instance_norm() -> Vec<Row> {
    vec![
        affine(&INSTANCE_NORM, "f32/2x3x5", &[2, 3, 5], 3),
        affine(&INSTANCE_NORM, "f32/2x3x5/sigmoid", &[2, 3, 5], 3).param("activation", "sigmoid"),
        Row::new(&INSTANCE_NORM, "f32/1x2x4x5/plain").f32(&[1, 2, 4, 5]).none().none(),
    ]
}

fn batch_norm() -> Vec<Row> {
    let row = |label: &str, shape: &[usize]| {
        let c = &[shape[1]];
        Row::new(&BATCH_NORM, label).f32(shape).f32(c).range(c, 0.5, 2.0).f32(c).f32(c)
    };
    vec![
        row("f32/2x3x5", &[2, 3, 5]),
        row("f32/4x3", &[4, 3]),
        row("f32/2x3x2x4", &[2, 3, 2, 4]),
        Row::new(&BATCH_NORM, "f32/2x3x5/plain").f32(&[2, 3, 5]).f32(&[3]).range(&[3], 0.5, 2.0).none().none(),
    ]
}

fn batch_norm_train() -> Vec<Row> {
    vec![
        affine(&BATCH_NORM_TRAIN, "f32/2x3x5", &[2, 3, 5], 3),
        affine(&BATCH_NORM_TRAIN, "f32/6x3", &[6, 3], 3),
        affine(&BATCH_NORM_TRAIN, "f32/2x3x2x4", &[2, 3, 2, 4], 3),
        Row::new(&BATCH_NORM_TRAIN, "f32/3x2x5/plain").f32(&[3, 2, 5]).none().none(),
    ]
}

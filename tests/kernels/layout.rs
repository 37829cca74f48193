//! Rows of the layout family.

use crate::row::Row;
use handmill::kernels::layout::concat::CONCAT;
use handmill::kernels::layout::copy::COPY;
use handmill::kernels::layout::pad::PAD;

/// Every row.
pub fn rows() -> Vec<Row> {
    [copy(), concat(), pad()].into_iter().flatten().collect()
}

fn copy() -> Vec<Row> {
    let row = |label: &str, shape: &[usize]| Row::new(&COPY, label).f32(shape);
    vec![
        row("f32/3x5", &[3, 5]),
        row("f32/1", &[1]),
        row("f32/scalar", &[]),
        row("f32/63", &[63]),
        row("f32/64", &[64]),
        row("f32/65", &[65]),
        row("f32/2x3x4/permuted", &[2, 3, 4]).view(|t| t.permute(&[2, 0, 1])),
        // numpy: np.arange(6.).reshape(2,3).T
        Row::new(&COPY, "f32/2x3/golden")
            .list(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
            .view(|t| t.transpose(0, 1))
            .golden(0, &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0], 0.0),
        row("f32/3x5/pitch", &[3, 5]).param("pitch", 8i64),
        row("f32/7x11/transposed", &[7, 11]).view(|t| t.transpose(0, 1)),
        row("f32/5x9/sliced", &[5, 9]).view(|t| t.slice(0, 1, 3).slice(1, 4, 5)),
        row("f32/5x9/stepped", &[5, 9]).view(|t| t.slice_step(1, 1, 4, 2).slice_step(0, 0, 3, 2)),
        row("f32/3x1x5/broadcast", &[3, 1, 5]).view(|t| t.broadcast_to(&[2, 3, 4, 5])),
        row("f32/scalar/broadcast", &[]).view(|t| t.broadcast_to(&[7, 3])),
        row("f32/2x6x4/heads", &[2, 6, 12]).view(|t| t.slice(-1, 4, 8).heads(2)),
        row("f32/2x3x4x5/sliced_permuted", &[2, 3, 4, 5])
            .view(|t| t.slice(1, 1, 2).permute(&[3, 1, 0, 2]).slice_step(0, 1, 2, 2)),
        row("f32/6_axes", &[2, 3, 2, 2, 3, 2]).view(|t| t.permute(&[5, 1, 4, 0, 3, 2])),
        row("f32/7_axes", &[2, 3, 1, 2, 2, 3, 2]).view(|t| t.permute(&[6, 2, 5, 1, 4, 0, 3])),
        row("f32/8_axes", &[2, 1, 2, 3, 2, 2, 2, 3]).view(|t| t.permute(&[7, 5, 3, 1, 6, 4, 2, 0])),
        row("f32/8_axes_stepped", &[3, 2, 3, 2, 3, 2, 3, 2])
            .view(|t| t.slice_step(0, 0, 2, 2).slice(2, 1, 2).slice_step(4, 0, 2, 2).slice_step(6, 0, 2, 2)),
        row("f32/8_axes_broadcast", &[1, 2, 1, 3, 1, 2, 1, 2]).view(|t| t.broadcast_to(&[2, 2, 3, 3, 2, 2, 2, 2])),
        row("f32/2049x2049/many_groups", &[2049, 2049]).view(|t| t.transpose(0, 1)),
        Row::new(&COPY, "i32/4x6/transposed").ids(&[4, 6], 1 << 30).view(|t| t.transpose(0, 1)),
        Row::new(&COPY, "f32/8/special")
            .list(&[2, 4], &[0.0, -0.0, 1e-40, -1e-45, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY])
            .view(|t| t.transpose(0, 1)),
    ]
}

fn concat() -> Vec<Row> {
    vec![
        // numpy: np.concatenate([[[1.,2.],[3.,4.]],[[5.],[6.]]],1)
        Row::new(&CONCAT, "f32/2x2_2x1/golden")
            .list(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
            .list(&[2, 1], &[5.0, 6.0])
            .none()
            .none()
            .param("axis", 1i64)
            .golden(0, &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0], 0.0),
        Row::new(&CONCAT, "f32/first").f32(&[2, 3, 4]).f32(&[5, 3, 4]).f32(&[1, 3, 4]).none().param("axis", 0i64),
        Row::new(&CONCAT, "f32/middle")
            .f32(&[2, 3, 17])
            .f32(&[2, 1, 17])
            .f32(&[2, 7, 17])
            .f32(&[2, 2, 17])
            .param("axis", -2i64),
        Row::new(&CONCAT, "f32/last").f32(&[3, 64]).f32(&[3, 65]).none().none().param("axis", -1i64),
        Row::new(&CONCAT, "f32/1_1").f32(&[1]).f32(&[1]).none().none().param("axis", 0i64),
        Row::new(&CONCAT, "i32/views")
            .ids(&[4, 6], 100)
            .view(|t| t.transpose(0, 1))
            .ids(&[6, 8], 100)
            .view(|t| t.slice(1, 2, 3))
            .none()
            .none()
            .param("axis", 1i64),
    ]
}

fn pad() -> Vec<Row> {
    let row = |label: &str, shape: &[usize], pads: &[usize], mode: &str| {
        Row::new(&PAD, label).f32(shape).param("pads", pads).param("mode", mode)
    };
    // numpy: np.pad([1.,2.,3.],(2,1),mode)
    let golden = |mode: &str, values: [f64; 6]| {
        Row::new(&PAD, &format!("f32/3/{mode}_golden"))
            .list(&[3], &[1.0, 2.0, 3.0])
            .param("pads", [2, 1])
            .param("mode", mode)
            .golden(0, &values, 0.0)
    };
    vec![
        golden("constant", [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]),
        golden("reflect", [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
        golden("replicate", [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
        golden("circular", [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]),
        row("f32/2x3x5x7/image_constant", &[2, 3, 5, 7], &[1, 2, 3, 0], "constant").param("value", -1.5),
        row("f32/2x3x5x7/image_reflect", &[2, 3, 5, 7], &[3, 3, 2, 4], "reflect"),
        row("f32/2x3x5x7/image_replicate", &[2, 3, 5, 7], &[9, 1, 0, 8], "replicate"),
        row("f32/2x3x5x7/image_circular", &[2, 3, 5, 7], &[7, 1, 0, 5], "circular"),
        row("f32/2x3x4/all_axes", &[2, 3, 4], &[0, 1, 1, 0, 2, 3], "replicate"),
        row("f32/2x3x4/only_channels", &[2, 3, 4], &[0, 0, 1, 2], "constant"),
        row("f32/2x3x4/nothing", &[2, 3, 4], &[0, 0], "reflect"),
        row("f32/1/replicate", &[1], &[4, 5], "replicate"),
        row("f32/4x6x5/permuted", &[4, 6, 5], &[2, 1, 1, 2], "reflect").view(|t| t.permute(&[2, 0, 1]).slice(0, 1, 3)),
        row("f32/8_axes", &[2, 1, 2, 3, 1, 2, 2, 2], &[1, 1, 0, 0, 1, 0, 0, 2, 0, 0, 1, 1, 0, 1, 0, 1], "constant"),
        Row::new(&PAD, "i32/3x5").ids(&[3, 5], 9).param("pads", [1, 1]),
    ]
}

//! Rows of the layout family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::layout::concat::CONCAT;
use handmill::kernels::layout::copy::COPY;
use handmill::kernels::layout::pad::PAD;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let row = |label: &str, shape: &[usize]| Row::new(&COPY, label).f32(shape);
    let copies = vec![
        row("f32/3x5", &[3, 5]),
        row("f32/1", &[1]),
        row("f32/scalar", &[]),
        row("f32/2x3x4/permuted", &[2, 3, 4]).view(|t| t.permute(&[2, 0, 1])),
        row("f32/5x9/sliced", &[5, 9]).view(|t| t.slice(0, 1, 3).slice(1, 4, 5)),
        row("f32/5x9/stepped", &[5, 9]).view(|t| t.slice_step(1, 1, 4, 2).slice_step(0, 0, 3, 2)),
        row("f32/3x1x5/broadcast", &[3, 1, 5]).view(|t| t.broadcast_to(&[2, 3, 4, 5])),
        row("f32/scalar/broadcast", &[]).view(|t| t.broadcast_to(&[7, 3])),
        row("f32/2x6x4/heads", &[2, 6, 12]).view(|t| t.slice(-1, 4, 8).heads(2)),
        row("f32/2x3x4x5/sliced_permuted", &[2, 3, 4, 5])
            .view(|t| t.slice(1, 1, 2).permute(&[3, 1, 0, 2]).slice_step(0, 1, 2, 2)),
        row("f32/4x3x5/sliced_broadcast", &[4, 3, 5])
            .view(|t| t.slice(0, 1, 2).slice(2, 2, 1).broadcast_to(&[2, 3, 4])),
        row("f32/8_axes_stepped", &[3, 2, 1, 2, 3, 2, 1, 2])
            .view(|t| t.slice_step(0, 0, 2, 2).slice(1, 1, 1).slice_step(4, 0, 2, 2).slice_step(5, 0, 2, 1)),
        row("f32/3x5/pitch", &[3, 5]).param("pitch", 8i64),
    ];
    copies.into_iter().chain(concat()).chain(pad()).map(Gradient::of).collect()
}

fn concat() -> Vec<Row> {
    let row = |label: &str, axis: i64| Row::new(&CONCAT, label).param("axis", axis);
    vec![
        row("f32/2_1", 0).f32(&[2]).f32(&[1]).none().none(),
        row("f32/first", 0).f32(&[2, 3, 4]).f32(&[5, 3, 4]).f32(&[1, 3, 4]).none(),
        row("f32/middle", -2).f32(&[2, 3, 5]).f32(&[2, 1, 5]).f32(&[2, 4, 5]).f32(&[2, 2, 5]),
        row("f32/last_views", -1)
            .f32(&[4, 3])
            .view(|t| t.transpose(0, 1))
            .f32(&[3, 9])
            .view(|t| t.slice_step(1, 1, 4, 2))
            .f32(&[3, 1])
            .view(|t| t.broadcast_to(&[3, 2]))
            .none(),
    ]
}

fn pad() -> Vec<Row> {
    let row = |label: &str, shape: &[usize], pads: &[usize], mode: &str| {
        Row::new(&PAD, &format!("{label}_{mode}")).f32(shape).param("pads", pads).param("mode", mode)
    };
    let mut rows = vec![];
    for mode in ["constant", "reflect", "replicate", "circular"] {
        rows.push(row("f32/5", &[5], &[2, 3], mode));
        rows.push(row("f32/2x2x4x3/image", &[2, 2, 4, 3], &[1, 2, 3, 0], mode));
        rows.push(row("f32/4x3/turned", &[3, 4], &[1, 1, 0, 2], mode).view(|t| t.transpose(0, 1)));
        rows.push(row("f32/3/nothing", &[3], &[0, 0], mode));
    }
    rows.push(row("f32/3/value", &[3], &[1, 2], "constant").param("value", 7.5));
    rows.push(row("f32/1x2/all_from_one", &[1, 2], &[3, 2, 4, 1], "replicate"));
    rows
}

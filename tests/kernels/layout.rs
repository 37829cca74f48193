//! Rows of the layout family.

use crate::row::Row;
use handmill::kernels::layout::concat::CONCAT;
use handmill::kernels::layout::copy::COPY;
use handmill::kernels::layout::pad::PAD;
use handmill::kernels::layout::pad_backward::PAD_BACKWARD;
use handmill::kernels::layout::stop_gradient::{STOP_GRADIENT, STRAIGHT_THROUGH};
use handmill::kernels::layout::view_backward::VIEW_BACKWARD;

/// Every row.
pub fn rows() -> Vec<Row> {
    [copy(), concat(), pad(), pad_backward(), view_backward(), gradient_marks()].into_iter().flatten().collect()
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

fn pad_backward() -> Vec<Row> {
    let row = |label: &str, shape: &[usize], axis: i64, (before, after): (i64, i64), mode: &str| {
        let row = Row::new(&PAD_BACKWARD, &format!("{label}_{mode}")).f32(shape).param("axis", axis);
        row.param("before", before).param("after", after).param("mode", mode)
    };
    // numpy: np.array([np.pad(e,(2,1),mode) for e in np.eye(3)]) @ np.arange(1.,7)
    let golden = |mode: &str, values: [f64; 3]| {
        let row = Row::new(&PAD_BACKWARD, &format!("f32/6/{mode}_golden")).list(&[6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let row = row.param("axis", 0i64).param("before", 2i64).param("after", 1i64);
        row.param("mode", mode).golden(0, &values, 0.0)
    };
    let mut rows = vec![
        golden("constant", [3.0, 4.0, 5.0]),
        golden("reflect", [3.0, 12.0, 6.0]),
        golden("replicate", [6.0, 4.0, 11.0]),
        golden("circular", [9.0, 5.0, 7.0]),
        row("f32/9/one_element", &[9], 0, (4, 4), "replicate"),
        row("f32/1/nothing", &[1], 0, (0, 0), "reflect"),
        row("f32/10x3/as_far_as_it_reaches", &[10, 3], 0, (3, 3), "reflect"),
        row("f32/15x3/once_round", &[15, 3], 0, (5, 5), "circular"),
        row("f32/2x400x3/long", &[2, 400, 3], 1, (150, 200), "replicate"),
        row("f32/3x7x5/turned", &[3, 5, 7], 1, (1, 2), "reflect").view(|d| d.transpose(1, 2)),
        row("f32/9x3x5/repeated", &[5], 0, (2, 3), "circular").view(|d| d.broadcast_to(&[9, 3, 5])),
    ];
    for mode in ["constant", "reflect", "replicate", "circular"] {
        for n in [63, 64, 65] {
            rows.push(row(&format!("f32/2x{}", n + 3), &[2, n + 3], -1, (1, 2), mode));
        }
        rows.push(row("f32/2x3x9x7/rows", &[2, 3, 9, 7], 2, (3, 2), mode));
        rows.push(row("f32/2x3x9x7/channels_last", &[2, 3, 9, 7], -1, (0, 2), mode));
    }
    rows
}

fn view_backward() -> Vec<Row> {
    // The gradient of a view of `seen` with these strides and offset, of a value of shape `of`.
    let row = |label: &str, of: &[usize], seen: &[usize], strides: &[usize], offset: usize| {
        let row = Row::new(&VIEW_BACKWARD, label).f32(seen).param("shape", of);
        row.param("strides", strides).param("offset", offset)
    };
    let mut rows = vec![];
    for n in [1, 63, 64, 65] {
        rows.push(row(&format!("f32/{n}/of_{}", n + 7), &[n + 7], &[n], &[1], 5).none());
        rows.push(row(&format!("f32/{n}/of_{}_base", n + 7), &[n + 7], &[n], &[1], 5).f32(&[n + 7]));
    }
    // Every third of three to the eighth, in an order in which no two axes merge.
    let eight = [2, 54, 486, 6, 4374, 162, 18, 1458];
    rows.extend([
        // numpy: x=np.zeros((2,3)); x.T[...]+=np.arange(1.,7).reshape(3,2)
        Row::new(&VIEW_BACKWARD, "f32/3x2/golden")
            .list(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .none()
            .param("shape", [2, 3])
            .param("strides", [1, 3])
            .golden(0, &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0], 0.0),
        // numpy: x=np.full((3,4),10.); x[0::2,1::2]+=[[1,2],[3,4]]
        Row::new(&VIEW_BACKWARD, "f32/2x2/base_golden")
            .list(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
            .list(&[3, 4], &[10.0; 12])
            .param("shape", [3, 4])
            .param("strides", [8, 2])
            .param("offset", 1i64)
            .golden(0, &[10.0, 11.0, 10.0, 12.0, 10.0, 10.0, 10.0, 10.0, 10.0, 13.0, 10.0, 14.0], 0.0),
        row("f32/scalar", &[2, 3], &[], &[], 4).none(),
        row("f32/4x2x3/permuted", &[2, 3, 4], &[4, 2, 3], &[1, 12, 4], 0).none(),
        row("f32/3x5/sliced", &[5, 9], &[3, 5], &[9, 1], 13).none(),
        row("f32/3x5/sliced_base", &[5, 9], &[3, 5], &[9, 1], 13).f32(&[5, 9]),
        row("f32/3x4/stepped", &[5, 9], &[3, 4], &[18, 2], 1).f32(&[5, 9]),
        row("f32/2x2x6x4/heads", &[2, 6, 12], &[2, 2, 6, 4], &[72, 4, 12, 1], 4).none(),
        row("f32/2x2x6x4/heads_base", &[2, 6, 12], &[2, 2, 6, 4], &[72, 4, 12, 1], 4).f32(&[2, 6, 12]),
        row("f32/2x1x3/axes_of_one", &[2, 3], &[2, 1, 3], &[3, 99, 1], 0).none(),
        row("f32/8_axes", &[6561], &[2; 8], &eight, 0).none(),
        row("f32/8_axes_base", &[3; 8], &[2; 8], &eight, 0).f32(&[3; 8]),
        // The last element of the value is the last of the view.
        row("f32/2x3/to_the_end", &[31], &[2, 3], &[5, 2], 21).none(),
    ]);
    let strided = |label: &str, d_y: &[usize]| {
        let row = Row::new(&VIEW_BACKWARD, label).f32(d_y).param("shape", [7, 11]);
        row.param("strides", [11, 2]).param("offset", 11i64)
    };
    rows.extend([
        strided("f32/6x5/d_y_transposed", &[5, 6]).view(|d| d.transpose(0, 1)).none(),
        strided("f32/6x5/d_y_sliced", &[8, 9]).view(|d| d.slice(0, 2, 6).slice(1, 1, 5)).f32(&[7, 11]),
        strided("f32/6x5/d_y_stepped", &[6, 10]).view(|d| d.slice_step(1, 1, 5, 2)).none(),
        strided("f32/6x5/d_y_repeated", &[6, 1]).view(|d| d.broadcast_to(&[6, 5])).f32(&[7, 11]),
        strided("f32/6x5/d_y_scalar", &[]).view(|d| d.broadcast_to(&[6, 5])).none(),
        row("f32/2049x2049/many_groups", &[2049, 2049], &[2049, 2049], &[1, 2049], 0).none(),
    ]);
    rows
}

fn gradient_marks() -> Vec<Row> {
    let special = [0.0, -0.0, 1e-40, -1e-45, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY];
    let mut rows = vec![
        // numpy: np.array([1.,-2,3])
        Row::new(&STOP_GRADIENT, "f32/3/golden").list(&[3], &[1.0, -2.0, 3.0]).golden(0, &[1.0, -2.0, 3.0], 0.0),
        Row::new(&STOP_GRADIENT, "f32/8/special").list(&[8], &special),
        Row::new(&STOP_GRADIENT, "f32/2x3x5/permuted").f32(&[2, 3, 5]).view(|t| t.permute(&[2, 0, 1])),
        Row::new(&STOP_GRADIENT, "f32/scalar").f32(&[]),
        Row::new(&STOP_GRADIENT, "f32/4194305/folded").f32(&[4_194_305]),
        // numpy: x=np.array([9.,9,9]); x+(np.array([1.,-2,3])-x)
        Row::new(&STRAIGHT_THROUGH, "f32/3/golden").list(&[3], &[9.0; 3]).list(&[3], &[1.0, -2.0, 3.0]).golden(
            0,
            &[1.0, -2.0, 3.0],
            0.0,
        ),
        Row::new(&STRAIGHT_THROUGH, "f32/8/special").f32(&[8]).list(&[8], &special),
        Row::new(&STRAIGHT_THROUGH, "f32/2x3x5/permuted")
            .f32(&[2, 3, 5])
            .view(|t| t.permute(&[2, 0, 1]))
            .f32(&[2, 3, 5])
            .view(|t| t.permute(&[2, 0, 1])),
    ];
    for n in [1, 63, 64, 65] {
        rows.push(Row::new(&STOP_GRADIENT, &format!("f32/{n}")).f32(&[n]));
        rows.push(Row::new(&STRAIGHT_THROUGH, &format!("f32/2x{n}")).f32(&[2, n]).f32(&[2, n]));
    }
    rows
}

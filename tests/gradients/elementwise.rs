//! Rows of the elementwise family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::elementwise::activation::NAMES;
use handmill::kernels::elementwise::binary::{ADD, DIV, MAXIMUM, MINIMUM, MUL, POW, SUB};
use handmill::kernels::elementwise::cast::CAST;
use handmill::kernels::elementwise::chain::{ADD_ACTIVATION, MUL_ACTIVATION};
use handmill::kernels::elementwise::parametric::{CLAMP, ELU, LEAKY_RELU, SOFTPLUS};
use handmill::kernels::elementwise::unary::*;
use handmill::kernels::elementwise::r#where::WHERE;

/// Numbers that are no kink of any function here, none of them within 0.04 of one.
const POINTS: [f32; 12] = [-3.5, -2.7, -1.3, -0.6, -0.05, 0.05, 0.3, 0.9, 1.7, 2.6, 3.4, 5.0];
/// As many, other ones.
const OTHERS: [f32; 12] = [-2.1, 3.3, -1.1, 0.7, -0.4, 1.2, -0.2, 0.1, -1.9, 2.2, 0.6, -3.1];

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let parts = [unary(), parametric(), binary(), choices(), chains()];
    parts.into_iter().flatten().map(Gradient::of).chain(constants()).collect()
}

fn unary() -> Vec<Row> {
    let everywhere: [&'static Kernel; 16] = [
        &NEG,
        &ABS,
        &EXP,
        &SQUARE,
        &SIN,
        &COS,
        &TANH,
        &ERF,
        &SIGMOID,
        &RELU,
        &GELU,
        &GELU_TANH,
        &QUICK_GELU,
        &SILU,
        &HARDSWISH,
        &MISH,
    ];
    let positive: [&'static Kernel; 4] = [&LOG, &SQRT, &RSQRT, &RECIPROCAL];
    let of = |kernel, values: [f32; 12]| {
        let row = |label: &str| Row::new(kernel, label).list(&[3, 4], &values);
        [
            row("f32/3x4"),
            row("f32/4x3/transposed").view(|t| t.transpose(0, 1)),
            Row::new(kernel, "f32/5x3x4/repeated").list(&[3, 4], &values).view(|t| t.broadcast_to(&[5, 3, 4])),
        ]
    };
    let mut rows: Vec<Row> = everywhere.into_iter().flat_map(|k| of(k, POINTS)).collect();
    rows.extend(positive.into_iter().flat_map(|k| of(k, POINTS.map(|v| v.abs() + 0.2))));
    rows.push(Row::new(&RECIPROCAL, "f32/12/negative").list(&[12], &POINTS.map(|v| -v.abs() - 0.2)));
    rows
}

fn parametric() -> Vec<Row> {
    let row = |kernel, label: &str| Row::new(kernel, label).list(&[2, 6], &POINTS);
    vec![
        row(&LEAKY_RELU, "f32/2x6"),
        row(&LEAKY_RELU, "f32/2x6/slope").param("slope", -0.3),
        row(&ELU, "f32/2x6"),
        row(&ELU, "f32/2x6/alpha").param("alpha", 1.7),
        row(&SOFTPLUS, "f32/2x6"),
        row(&SOFTPLUS, "f32/2x6/beta").param("beta", 2.5).param("threshold", 4.0),
        row(&SOFTPLUS, "f32/2x6/negative_beta").param("beta", -0.7),
        row(&CLAMP, "f32/2x6/open"),
        row(&CLAMP, "f32/2x6").param("min", -1.0).param("max", 2.0),
        row(&CLAMP, "f32/6x2/transposed").param("min", 0.0).view(|t| t.transpose(0, 1)),
    ]
}

fn binary() -> Vec<Row> {
    let two = |kernel, label: &str| Row::new(kernel, label).f32(&[3, 5]).range(&[3, 5], 0.5, 2.0);
    let mut rows: Vec<Row> = [&ADD, &SUB, &MUL, &DIV].into_iter().map(|k| two(k, "f32/3x5")).collect();
    rows.push(
        Row::new(&MUL, "f32/2x3x4/broadcast")
            .f32(&[3, 1])
            .view(|t| t.broadcast_to(&[2, 3, 4]))
            .f32(&[4])
            .view(|t| t.broadcast_to(&[2, 3, 4])),
    );
    for kernel in [&MAXIMUM, &MINIMUM] {
        rows.push(Row::new(kernel, "f32/3x4").list(&[3, 4], &POINTS).list(&[3, 4], &OTHERS));
        rows.push(
            Row::new(kernel, "f32/3x4/broadcast")
                .list(&[4, 3], &POINTS)
                .view(|t| t.transpose(0, 1))
                .list(&[], &[0.5])
                .view(|t| t.broadcast_to(&[3, 4])),
        );
    }
    rows.push(Row::new(&POW, "f32/3x5").range(&[3, 5], 0.3, 3.0).range(&[3, 5], -2.0, 2.0));
    rows.push(
        Row::new(&POW, "f32/3x5/broadcast")
            .range(&[3, 1], 0.3, 3.0)
            .view(|t| t.broadcast_to(&[3, 5]))
            .range(&[5], -2.0, 3.0)
            .view(|t| t.broadcast_to(&[3, 5])),
    );
    rows
}

fn choices() -> Vec<Row> {
    vec![
        Row::new(&WHERE, "f32/3x5").ids(&[3, 5], 2).f32(&[3, 5]).f32(&[3, 5]),
        Row::new(&WHERE, "f32/2x3x5/broadcast")
            .ids(&[3, 5], 2)
            .view(|t| t.broadcast_to(&[2, 3, 5]))
            .f32(&[2, 1, 5])
            .view(|t| t.broadcast_to(&[2, 3, 5]))
            .f32(&[])
            .view(|t| t.broadcast_to(&[2, 3, 5])),
        Row::new(&CAST, "f32/5/to_f32").f32(&[5]),
    ]
}

fn chains() -> Vec<Row> {
    let mut rows = vec![];
    for kernel in [&ADD_ACTIVATION, &MUL_ACTIVATION] {
        for name in NAMES {
            let row = |label: &str| Row::new(kernel, &format!("{label}/{name}")).param("activation", name);
            // Sums of these keep away from kinks, too.
            rows.push(row("f32/3x4").list(&[3, 4], &POINTS).list(&[3, 4], &OTHERS));
        }
        rows.push(
            Row::new(kernel, "f32/3x4/bias")
                .list(&[3, 4], &POINTS)
                .list(&[4], &OTHERS[..4])
                .view(|t| t.broadcast_to(&[3, 4]))
                .param("activation", "silu"),
        );
    }
    rows
}

/// Calls of which one operand is a constant, as exponents and limits are; then a base may be negative.
fn constants() -> Vec<Gradient> {
    let power = |label: &str, b: f32| {
        let row = Row::new(&POW, label).list(&[12], &POINTS).list(&[], &[b]).view(|t| t.broadcast_to(&[12]));
        Gradient::of(row).constant(1)
    };
    let base = Row::new(&POW, "f32/12/of_2").list(&[], &[2.0]).view(|t| t.broadcast_to(&[12])).list(&[12], &POINTS);
    let limit = Row::new(&MAXIMUM, "f32/12/limit").list(&[12], &POINTS).list(&[12], &OTHERS);
    vec![
        power("f32/12/cube", 3.0),
        power("f32/12/square", 2.0),
        power("f32/12/inverse_square", -2.0),
        power("f32/12/zeroth", 0.0),
        Gradient::of(base).constant(0),
        Gradient::of(limit).constant(1),
    ]
}

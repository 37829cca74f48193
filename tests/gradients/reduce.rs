//! Rows of the reduce family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::reduce::over_axes::{LOGSUMEXP, MAX, MEAN, MIN, PROD, SUM, VARIANCE};

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let kernels: [&'static Kernel; 7] = [&SUM, &MEAN, &MAX, &MIN, &PROD, &LOGSUMEXP, &VARIANCE];
    let mut rows: Vec<Row> = kernels.into_iter().flat_map(over_axes).collect();
    let correction =
        |label: &str, c: i64| Row::new(&VARIANCE, label).f32(&[3, 7]).param("axes", vec![1]).param("correction", c);
    rows.extend([
        correction("f32/3x7/biased", 0),
        correction("f32/3x7/of_2", 2),
        // Differences see every zero: one leaves its own gradient, two leave none.
        Row::new(&PROD, "f32/3x3/zeros")
            .list(&[3, 3], &[2.0, 0.0, 3.0, 0.0, 0.0, 5.0, 1.5, -2.0, 0.5])
            .param("axes", vec![1]),
        Row::new(&PROD, "f32/2x3x4/between").f32(&[2, 3, 4]).param("axes", vec![0, -1]).param("keepdim", true),
        Row::new(&PROD, "f32/1x70/long").range(&[70], 0.9, 1.1),
        Row::new(&LOGSUMEXP, "f32/2x3/apart").list(&[2, 3], &[9.0, -7.0, 8.5, 0.0, 30.0, -30.0]).param("axes", vec![1]),
    ]);
    rows.into_iter().map(Gradient::of).collect()
}

fn over_axes(kernel: &'static Kernel) -> [Row; 5] {
    // The product of many small numbers would have no gradient to speak of.
    let (low, high) = if kernel.name == "prod" { (0.6, 1.5) } else { (-1.0, 1.0) };
    let axes = |label: &str, axes: Vec<i64>| Row::new(kernel, label).range(&[2, 3, 4], low, high).param("axes", axes);
    [
        axes("f32/2x3x4/all", vec![]),
        axes("f32/2x3x4/last", vec![-1]),
        axes("f32/2x3x4/first_last", vec![0, 2]).param("keepdim", true),
        axes("f32/2x3x4/middle", vec![1]).view(|t| t.permute(&[2, 0, 1])),
        axes("f32/2x3x4/first", vec![0]),
    ]
}

//! Rows of the reduce family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::reduce::over_axes::{MEAN, SUM};

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let axes = |kernel, label: &str, axes: Vec<i64>| Row::new(kernel, label).f32(&[2, 3, 4]).param("axes", axes);
    let rows = [(&SUM, "sum"), (&MEAN, "mean")].into_iter().flat_map(|(kernel, _)| {
        [
            axes(kernel, "f32/2x3x4/all", vec![]),
            axes(kernel, "f32/2x3x4/last", vec![-1]),
            axes(kernel, "f32/2x3x4/first_last", vec![0, 2]).param("keepdim", true),
            axes(kernel, "f32/2x3x4/middle", vec![1]).view(|t| t.permute(&[2, 0, 1])),
        ]
    });
    rows.map(Gradient::of).collect()
}

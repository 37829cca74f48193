//! Rows of the index family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::index::embedding::EMBEDDING;
use handmill::kernels::index::gather::GATHER;
use handmill::kernels::index::scatter_add::SCATTER_ADD;
use handmill::kernels::index::top_k::TOP_K;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let rows = [embedding(), gather(), scatter_add(), top_k()];
    rows.into_iter().flatten().map(Gradient::of).collect()
}

fn embedding() -> Vec<Row> {
    vec![
        Row::new(&EMBEDDING, "f32/2x5x7x3/small_table").ids(&[2, 5], 7).f32(&[7, 3]),
        Row::new(&EMBEDDING, "f32/3x7x41x2").ids(&[3, 7], 41).f32(&[41, 2]),
        Row::new(&EMBEDDING, "f32/9x40x1/one_row_often").ids(&[9], 2).f32(&[40, 1]),
        Row::new(&EMBEDDING, "f32/5x35x2/out_of_range")
            .value(HostTensor::i32(&[5], vec![-1, 35, 34, i32::MAX, 34]))
            .f32(&[35, 2]),
        Row::new(&EMBEDDING, "f32/5x3x2/small_out_of_range")
            .value(HostTensor::i32(&[5], vec![-1, 3, 2, i32::MAX, 2]))
            .f32(&[3, 2]),
        Row::new(&EMBEDDING, "f32/scalar_id").value(HostTensor::i32(&[], vec![4])).f32(&[5, 3]),
    ]
}

fn gather() -> Vec<Row> {
    let row = |label: &str, x: &[usize]| Row::new(&GATHER, label).f32(x);
    vec![
        row("f32/3x4x5/axis_0", &[3, 4, 5]).ids(&[6, 4, 5], 3).param("axis", 0i64),
        row("f32/3x4x5/axis_1_smaller", &[3, 4, 5]).ids(&[2, 6, 3], 4).param("axis", 1i64),
        row("f32/4x3x5/last", &[4, 3, 5]).ids(&[4, 3, 1], 5).param("axis", -1i64),
        row("f32/1", &[1]).ids(&[1], 1).param("axis", 0i64),
        row("f32/7", &[7]).ids(&[9], 7).param("axis", 0i64),
        row("f32/3x4/clamped", &[3, 4]).value(HostTensor::i32(&[3, 1], vec![-1, 4, i32::MIN])).param("axis", 1i64),
        row("f32/2x4x3/permuted", &[2, 4, 3])
            .view(|t| t.permute(&[2, 0, 1]))
            .ids(&[2, 4, 3], 2)
            .view(|t| t.permute(&[2, 0, 1]))
            .param("axis", 1i64),
        row("f32/2x6x5/a_row_each", &[2, 6, 5])
            .ids(&[2, 1, 1], 6)
            .view(|t| t.broadcast_to(&[2, 1, 5]))
            .param("axis", 1i64),
        row("f32/3x5x2/slices", &[3, 5, 2])
            .value(HostTensor::i32(&[1, 6, 1], vec![4, 0, 4, -3, 9, 1]))
            .view(|t| t.broadcast_to(&[3, 6, 2]))
            .param("axis", 1i64),
        row("f32/4x3/rows", &[4, 3]).ids(&[5, 1], 4).view(|t| t.broadcast_to(&[5, 3])).param("axis", 0i64),
        row("f32/3x4x2/last_slices", &[3, 4, 2]).ids(&[3], 2).view(|t| t.broadcast_to(&[3, 4, 3])).param("axis", 2i64),
    ]
}

fn scatter_add() -> Vec<Row> {
    let row = |label: &str| Row::new(&SCATTER_ADD, label);
    vec![
        row("f32/7x3x4").f32(&[7, 3]).ids(&[7], 4).none().param("rows", 4i64),
        row("f32/5x2x3/base").f32(&[5, 2]).ids(&[5], 3).f32(&[3, 2]).param("rows", 3i64),
        row("f32/4x2x3/out_of_range")
            .f32(&[4, 2])
            .value(HostTensor::i32(&[4], vec![-1, 3, 1, i32::MAX]))
            .none()
            .param("rows", 3i64),
    ]
}

fn top_k() -> Vec<Row> {
    // Far apart, so that no step of a difference changes the order.
    let apart: Vec<f32> = (0..14).map(|i| (i * 5 % 14) as f32 * 0.3 - 2.0).collect();
    vec![
        Row::new(&TOP_K, "f32/2x7/3").list(&[2, 7], &apart).param("k", 3i64),
        Row::new(&TOP_K, "f32/7/7").list(&[7], &apart[..7]).param("k", 7i64),
        Row::new(&TOP_K, "f32/1/1").f32(&[1]).param("k", 1i64),
    ]
}

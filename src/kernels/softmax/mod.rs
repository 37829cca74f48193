//! Softmax over rows.

use crate::adapter::{Adapter, AdapterKind};
use crate::check::{Tol, U};
use crate::kernel::{Call, Grid, Kernel, Scalars, Scratch, Spec};
use crate::kernels::norm::lanes;

pub mod log_softmax;
#[allow(clippy::module_inception)] // the family and its first kernel have one name
pub mod softmax;
pub mod softmax_backward;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &softmax::SOFTMAX,
    &log_softmax::LOG_SOFTMAX,
    &softmax_backward::SOFTMAX_BACKWARD,
    &softmax_backward::LOG_SOFTMAX_BACKWARD,
];

/// Parts of a split row have at least this many elements …
const PART: usize = 4096;
/// … and a row has at most this many parts: one lane each merges them.
const PARTS: usize = 64;

fn cols(c: &Call) -> usize {
    c.shape(0).last().copied().unwrap_or(1)
}

fn rows(c: &Call) -> usize {
    c.spec(0).len() / cols(c)
}

fn part_cols(c: &Call) -> usize {
    PART.max(cols(c).div_ceil(PARTS))
}

fn parts(c: &Call) -> usize {
    cols(c).div_ceil(part_cols(c))
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    if c.shape(0).is_empty() {
        return Err("x has no axis".into());
    }
    Ok(vec![c.spec(0)])
}

fn scalars(c: &Call) -> Scalars {
    Scalars::new()
        .set("rows", rows(c))
        .set("cols", cols(c))
        .set("parts_per_row", parts(c))
        .set("part_cols", part_cols(c))
        .set("WG", lanes(cols(c)) as u32)
}

const SCRATCH: &[Scratch] = &[Scratch { name: "parts", spec: |c| Spec::f32(&[rows(c) * parts(c), 2]) }];

fn row_grid(c: &Call) -> Grid {
    Grid::Groups(rows(c) as u64)
}

fn row_loops(c: &Call) -> u64 {
    3 * (cols(c) as u64).div_ceil(lanes(cols(c))) + 16
}

fn lane_grid(c: &Call) -> Grid {
    Grid::Threads(rows(c) as u64)
}

fn lane_loops(c: &Call) -> u64 {
    3 * cols(c) as u64
}

fn part_grid(c: &Call) -> Grid {
    Grid::Groups((rows(c) * parts(c)) as u64)
}

fn part_loops(c: &Call) -> u64 {
    2 * (part_cols(c) as u64).div_ceil(lanes(cols(c))) + 16
}

/// Indices in the order direct, split, vec4. Where barriers are dear, a lane a row pays from a
/// subgroup's worth of short rows on; elsewhere, parts pay where few rows are long.
///
/// Bench row `softmax/f32/1024x1024`, llvmpipe, idle, 2026-11-25: direct 6.1 ms, vec4 8.4 ms, split 17.1 ms
/// (2026-11-21: 16.4, 5.8 and 13.1 ms); which of the first two longer rows should take there is open.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    match adapter.kind {
        AdapterKind::Cpu if rows(c) >= 8 && cols(c) < 512 => 0,
        AdapterKind::Cpu => 2,
        _ if parts(c) > 2 && rows(c) < 256 => 1,
        _ => 2,
    }
}

/// Rows of a multiple of 4 elements: they begin at whole `vec4`s.
fn fours(c: &Call, _: &Adapter) -> bool {
    cols(c).is_multiple_of(4)
}

/// The largest element of a row; of a row of −∞ alone, 0.
fn largest(row: &[f64]) -> f64 {
    let m = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if m.is_finite() { m } else { 0.0 }
}

/// The relative error of `Σ exp(x − m)` beyond that of its largest term, which is exact.
pub(crate) fn sum_error(tol: Tol, row: &[f64]) -> f64 {
    let n = row.len() as f64;
    tol.pick(4.0 * n.sqrt() + 4.0, 2.0 * n + 8.0) * U
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::tensor::Dtype;

    #[test]
    fn another_axis_is_moved_to_the_end_and_back() {
        let g = Graph::new();
        let y = g.input("x", Dtype::F32, &[2, 3, 4]).softmax(1);
        assert_eq!(y.shape(), [2, 3, 4]);
        assert_eq!(y.layout().strides, [12, 1, 3], "a view of (2, 4, 3)");
        g.output("y", y.log_softmax(-1));
        assert!(g.build().is_ok());
    }

    #[test]
    fn an_axis_that_is_not_there_is_an_error() {
        let g = Graph::new();
        g.input("x", Dtype::F32, &[2, 3]).softmax(2);
        let text = g.build().unwrap_err().to_string();
        assert!(text.ends_with("softmax: axis 2 is not in (2, 3)"), "{text}");
    }
}

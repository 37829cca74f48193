//! What the gradients of the norms share: shape rules, bounds, and the rules themselves.

use super::rows_cols;
use crate::backward::Adjoint;
use crate::check::{Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Call, Scalars};
use crate::shape::Dims;

/// `d_y` is of the shape of `x`, and the statistics at the ports `statistics` have an element a row.
pub(super) fn expect_rows(c: &Call, d_y: usize, statistics: &[usize]) -> Result<(), String> {
    expect_like_x(c, d_y)?;
    let rows = &c.shape(0)[..c.shape(0).len() - 1];
    match statistics.iter().find(|&&port| c.shape(port) != rows) {
        None => Ok(()),
        Some(&port) => Err(format!(
            "{} is {}, expected {} for x {}",
            c.kernel.inputs[port].name,
            Dims(c.shape(port)),
            Dims(rows),
            Dims(c.shape(0))
        )),
    }
}

/// The input at `port` is of the shape of `x`.
pub(super) fn expect_like_x(c: &Call, port: usize) -> Result<(), String> {
    if c.shape(port) != c.shape(0) {
        let name = c.kernel.inputs[port].name;
        return Err(format!("{name} is {} and x is {}", Dims(c.shape(port)), Dims(c.shape(0))));
    }
    Ok(())
}

/// Both statistics of `x (B, C, …)` are `(B, G)`, with a G that divides C.
pub(super) fn expect_groups(c: &Call, mean: usize, rstd: usize) -> Result<(), String> {
    let (x, mean, rstd) = (c.shape(0), c.shape(mean), c.shape(rstd));
    match mean {
        &[b, g] if mean == rstd && b == x[0] && x[1].is_multiple_of(g) => Ok(()),
        _ => Err(format!("mean is {} and rstd is {} for x {}", Dims(mean), Dims(rstd), Dims(x))),
    }
}

/// Rows of a part of a column: √R, so that both steps loop alike.
pub(super) fn part_rows(c: &Call) -> usize {
    let rows = rows_cols(c).0;
    let root = rows.isqrt();
    if root * root < rows { root + 1 } else { root }
}

/// Parts of a column.
pub(super) fn parts_per_column(c: &Call) -> usize {
    rows_cols(c).0.div_ceil(part_rows(c))
}

/// What the kernels over columns say to their shaders.
pub(super) fn column_scalars(c: &Call) -> Scalars {
    let (rows, cols) = rows_cols(c);
    let (parts, part) = (parts_per_column(c), part_rows(c));
    Scalars::new().set("rows", rows).set("cols", cols).set("parts_per_column", parts).set("part_rows", part)
}

/// The bound of `Σ d_y · x̂` over `n` terms of the magnitude `magnitude` in all: a sum, and in each term the roundings of
/// a difference and a product.
pub(super) fn weight_error(tol: Tol, n: usize, magnitude: f64, value: f64) -> f64 {
    tol.dot(n, magnitude, value) + tol.pick(2.0, 4.0) * U * magnitude
}

/// A sum that a kernel makes.
#[derive(Default)]
pub(super) struct Sum {
    /// How many terms it adds up; 0 for a sum that is given.
    pub terms: usize,
    /// Its value.
    pub value: f64,
    /// The sum of the terms' magnitudes.
    pub magnitude: f64,
}

impl Sum {
    /// The sum of `terms`.
    pub fn of(terms: &[f64]) -> Sum {
        Sum { terms: terms.len(), value: terms.iter().sum(), magnitude: terms.iter().map(|v| v.abs()).sum() }
    }
    fn error(&self, tol: Tol) -> f64 {
        if self.terms == 0 { 0.0 } else { tol.sum(self.terms, self.magnitude, self.value) }
    }
}

/// `d_x = scale · (g − (sum + x̂ · dot) / n)`, a row: `sum = Σ g`, `dot = Σ g · x̂`.
pub(super) struct RowGradient {
    /// The factor.
    pub scale: f64,
    /// Elements of the row.
    pub n: usize,
    /// `Σ g`.
    pub sum: Sum,
    /// `Σ g · x̂`.
    pub dot: Sum,
}

impl RowGradient {
    /// The bound of `value = d_x` where `g` and `x̂ = normal`: the errors of both sums (in the terms of `dot`, those of
    /// `g` and `x̂` too, of 3 roundings), and of the formula at most 9 roundings, one of them a quotient's.
    pub fn bound(&self, tol: Tol, g: f64, normal: f64, value: f64) -> f64 {
        let n = self.n as f64;
        let dot =
            self.dot.error(tol) + if self.dot.terms == 0 { 0.0 } else { tol.pick(3.0, 6.0) * U * self.dot.magnitude };
        let sums = (self.sum.error(tol) + normal.abs() * dot) / n;
        let terms = g.abs() + (self.sum.value.abs() + (normal * self.dot.value).abs()) / n;
        self.scale.abs() * (sums + tol.pick(10.0, 24.0) * U * terms) + tol.ulps(0.0, 0.0, value)
    }
}

/// `d_x`, and what reaches `x` through the saved statistics: `(d_mean + (x − mean) · slope) / n`.
pub(super) fn through_statistics<'g>(
    d_x: Tensor<'g>,
    d_mean: Option<Tensor<'g>>,
    centred: impl FnOnce() -> Tensor<'g>,
    slope: Option<Tensor<'g>>,
    n: usize,
) -> Tensor<'g> {
    let extra = match (d_mean, slope.map(|slope| centred() * slope)) {
        (None, None) => return d_x,
        (Some(m), Some(s)) => s + m,
        (Some(one), None) | (None, Some(one)) => one,
    };
    d_x + extra * (1.0 / n as f64)
}

/// `∂rstd/∂x · n = −rstd³ · (x − mean)`, of which this is the factor of `x − mean`, times `d_rstd`.
pub(super) fn slope<'g>(rstd: Tensor<'g>, d_rstd: Tensor<'g>) -> Tensor<'g> {
    -(rstd.square() * rstd * d_rstd)
}

/// The gradients of [`super::group_norm`] and [`super::instance_norm`], of the shifted `x`: `d` is that of the result
/// before the activations.
pub(super) fn of_groups<'g>(n: &Adjoint<'_, 'g>, x: Tensor<'g>, d: Tensor<'g>) -> Vec<Option<Tensor<'g>>> {
    let (mean, rstd) = (n.y(1), n.y(2));
    let d_wb = x.group_norm_backward_w(d, mean, rstd);
    let d_x = || {
        let (shape, rows) = (n.shape(0), n.out(1));
        let d_x = x.group_norm_backward(n.opt(1), d, mean, rstd, d_wb);
        if n.d_opt(1).is_none() && n.d_opt(2).is_none() {
            return d_x;
        }
        let cols = d_x.layout().len() / rows.iter().product::<usize>();
        let by_rows = [rows[0], rows[1], cols];
        let last = |t: Tensor<'g>| t.unsqueeze(-1);
        let centred = || x.reshape(&by_rows) - last(mean);
        let slope = n.d_opt(2).map(|d| last(slope(rstd, d)));
        through_statistics(d_x.reshape(&by_rows), n.d_opt(1).map(last), centred, slope, cols).reshape(shape)
    };
    let of_sample = |which| d_wb.sum(&[0], false).slice(-1, which, 1).squeeze(-1);
    let d_shift = || {
        let (b, c) = (n.shape(0)[0], n.shape(0)[1]);
        d_x().reshape(&[b, c, n.shape(0)[2..].iter().product()]).sum(&[2], false)
    };
    vec![n.wanted(0, d_x), n.wanted(1, || of_sample(0)), n.wanted(2, || of_sample(1)), n.wanted(3, d_shift)]
}

/// The gradients of `w` and `b` of a normalisation of channels by `mean` and `rstd`, each `(C)`.
pub(super) fn of_channels<'g>(x: Tensor<'g>, d: Tensor<'g>, mean: Tensor<'g>, rstd: Tensor<'g>) -> [Tensor<'g>; 2] {
    let shape = x.shape();
    let each = |t: Tensor<'g>| t.broadcast_to(&shape[..2]);
    let d_wb = x.group_norm_backward_w(d, each(mean), each(rstd)).sum(&[0], false);
    [0, 1].map(|which| d_wb.slice(-1, which, 1).squeeze(-1))
}

/// A vector `(C)` beside `x (B, C, …)`.
pub(super) fn beside<'g>(v: Tensor<'g>, x: &[usize]) -> Tensor<'g> {
    v.reshape(&[&[x[1]], &vec![1; x.len() - 2][..]].concat())
}

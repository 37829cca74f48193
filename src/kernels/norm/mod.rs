//! Normalisations over rows, groups and channels.

use crate::adapter::{Adapter, AdapterKind};
use crate::check::{Tol, U};
use crate::kernel::{Call, Kernel};
use crate::shape::Dims;

pub mod batch_norm;
pub mod batch_norm_train;
pub mod batch_norm_train_backward;
mod gradient;
pub mod group_norm;
pub mod group_norm_backward;
pub mod group_norm_backward_w;
pub mod instance_norm;
pub mod layer_norm;
pub mod layer_norm_backward;
pub mod layer_norm_backward_w;
pub mod rms_norm;
pub mod rms_norm_backward;
pub mod rms_norm_backward_w;
pub mod running_update;

use gradient::{
    RowGradient, Sum, column_scalars, expect_groups, expect_like_x, expect_rows, part_rows, parts_per_column,
    weight_error,
};

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &layer_norm::LAYER_NORM,
    &rms_norm::RMS_NORM,
    &group_norm::GROUP_NORM,
    &instance_norm::INSTANCE_NORM,
    &batch_norm::BATCH_NORM,
    &batch_norm_train::BATCH_NORM_TRAIN,
    &running_update::RUNNING_UPDATE,
    &layer_norm_backward::LAYER_NORM_BACKWARD,
    &layer_norm_backward_w::LAYER_NORM_BACKWARD_W,
    &rms_norm_backward::RMS_NORM_BACKWARD,
    &rms_norm_backward_w::RMS_NORM_BACKWARD_W,
    &group_norm_backward::GROUP_NORM_BACKWARD,
    &group_norm_backward_w::GROUP_NORM_BACKWARD_W,
    &batch_norm_train_backward::BATCH_NORM_TRAIN_BACKWARD,
];

/// Lanes of a workgroup that shares a row of `cols` elements.
pub(crate) fn lanes(cols: usize) -> u64 {
    if cols > 1024 { 256 } else { 64 }
}

/// Vectors of four that a lane of the `subgroup` variants holds at most.
const MOST_HELD: usize = 8;

/// Vectors of four that a lane holds of a row of `cols` elements, which a workgroup shares.
pub(crate) fn held(cols: usize) -> usize {
    (cols / 4).div_ceil(lanes(cols) as usize)
}

/// True if a workgroup holds rows of `cols` elements in registers, and its subgroups can meet in one exchange
/// (`lib/subgroup_reduce.wgsl`).
pub(crate) fn holds(cols: usize, adapter: &Adapter) -> bool {
    let exchange = adapter.subgroup.is_some_and(|(least, _)| least >= 4);
    exchange && cols.is_multiple_of(4) && held(cols) <= MOST_HELD
}

/// Loop iterations of an invocation of the `subgroup` variants: two exchanges between up to 64 subgroups.
pub(crate) const EXCHANGES: u64 = 2 * 64 + MOST_HELD as u64;

/// Rows and columns of the last axis of the input at port 0.
fn rows_cols(c: &Call) -> (usize, usize) {
    let cols = c.shape(0).last().copied().unwrap_or(1);
    (c.spec(0).len() / cols, cols)
}

/// Rows of a multiple of 4 elements: they begin at whole `vec4`s.
fn fours(c: &Call) -> bool {
    rows_cols(c).1.is_multiple_of(4)
}

/// Indices in the order direct, subgroup, vec4, plain. Where barriers are dear, a lane a row pays from a subgroup's
/// worth of rows on; on GPUs, one read in place of two or three (a prediction).
fn choose_rows(c: &Call, adapter: &Adapter) -> usize {
    match adapter.kind {
        AdapterKind::Cpu if rows_cols(c).0 >= 8 => 0,
        AdapterKind::Cpu => 2,
        _ => 1,
    }
}

/// `eps` is a number from 0 on.
fn expect_eps(c: &Call) -> Result<(), String> {
    let eps = c.float("eps");
    if eps.is_finite() && eps >= 0.0 { Ok(()) } else { Err(format!("eps is {eps}, expected a number from 0 on")) }
}

/// An optional vector at `port` has one element for each of the `n` it goes with.
fn expect_vector(c: &Call, port: usize, n: usize) -> Result<(), String> {
    if c.has(port) && c.shape(port) != [n] {
        let (name, found) = (c.kernel.inputs[port].name, Dims(c.shape(port)));
        return Err(format!("{name} is {found}, expected {} for x {}", Dims(&[n]), Dims(c.shape(0))));
    }
    Ok(())
}

/// Channels (the second axis) and positions (the product of the axes after it) of the input at port 0.
fn channels_space(c: &Call) -> Result<(usize, usize), String> {
    match c.shape(0) {
        [_, channels, space @ ..] => Ok((*channels, space.iter().product())),
        other => Err(format!("x is {}, expected (B, C, …)", Dims(other))),
    }
}

/// Where the elements of channel `c` lie in `len` elements `(B, channels, space)`.
fn places(len: usize, channels: usize, space: usize, c: usize) -> impl Iterator<Item = usize> {
    (0..len / channels / space).flat_map(move |k| (k * channels + c) * space..(k * channels + c + 1) * space)
}

/// How far a normalised element of a row may be off: `8·u·√n·max|x|/σ`.
fn normal_error(tol: Tol, row: &[f64], rstd: f64) -> f64 {
    let largest = row.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    tol.pick(8.0, 32.0) * U * (row.len() as f64).sqrt() * largest * rstd
}

/// Bounds of `mean` and `rstd` of a row.
fn statistics_error(tol: Tol, row: &[f64], mean: f64, rstd: f64) -> (f64, f64) {
    let magnitude = row.iter().map(|v| v.abs()).sum::<f64>() / row.len() as f64;
    let relative = normal_error(tol, row, rstd) + tol.pick(4.0, 16.0) * 2.0 * U;
    (tol.sum(row.len(), magnitude, mean), relative * rstd)
}

/// The bound of `y = normal · w + b` if `normal` is off by at most `error`.
fn affine_error(tol: Tol, error: f64, y: f64, w: f64, b: f64) -> f64 {
    error * w.abs() + tol.ulps(4.0, 16.0, y) + tol.ulps(1.0, 4.0, y - b)
}

#[cfg(test)]
mod tests {
    use crate::graph::{Graph, Tensor};
    use crate::tensor::Dtype;

    fn error(build: impl for<'g> Fn(&'g Graph, Tensor<'g>) -> Tensor<'g>) -> String {
        let g = Graph::new();
        build(&g, g.input("x", Dtype::F32, &[2, 6, 5]));
        let text = g.build().unwrap_err().to_string();
        text.split_once(": ").map_or(text.clone(), |(_, message)| message.to_owned())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let messages = [
            error(|_, x| x.group_norm(4, None, None, 1e-5)),
            error(|_, x| x.group_norm(0, None, None, 1e-5)),
            error(|g, x| x.layer_norm(Some(g.input("w", Dtype::F32, &[6])), None, 1e-5)),
            error(|g, x| x.instance_norm(None, Some(g.input("b", Dtype::F32, &[5])), 1e-5)),
            error(|_, x| x.rms_norm(None, -1.0)),
            error(|_, x| x.reshape(&[60]).group_norm(1, None, None, 1e-5)),
        ];
        let expected = [
            "group_norm: 6 channels do not split into 4 groups",
            "group_norm: 6 channels do not split into 0 groups",
            "layer_norm: w is (6,), expected (5,) for x (2, 6, 5)",
            "instance_norm: b is (5,), expected (6,) for x (2, 6, 5)",
            "rms_norm: eps is -1, expected a number from 0 on",
            "group_norm: x is (60,), expected (B, C, …)",
        ];
        assert_eq!(messages, expected);
    }
}

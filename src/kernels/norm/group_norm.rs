//! Group normalisation. Shaders: shaders/norm/group_norm.wgsl, group_norm_split.wgsl, group_norm_direct.wgsl,
//! group_norm_subgroup.wgsl

use std::borrow::Cow;

use super::gradient::of_groups;
use super::{
    EXCHANGES, affine_error, channels_space, expect_eps, expect_vector, held, holds, lanes, normal_error,
    statistics_error,
};
use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Epilogue, Fusion, Grid, Kernel, Param, Port, Ref, Scalars, Scratch, Spec, Step, Value,
    Variant, Work,
};
use crate::kernels::elementwise::activation;
use crate::shape::Dims;

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;
const SHIFT: usize = 3;

/// `shift (B, C)` is what the planner found added to `x` before.
pub(super) const INPUTS: &[Port] =
    &[Port::f32("x"), Port::f32("w").optional(), Port::f32("b").optional(), Port::f32("shift").optional()];

/// Parts of a split row have at least this many elements …
const PART: usize = 4096;
/// … and a row has at most this many parts: one lane each merges them.
const PARTS: usize = 64;

/// Gives every group of channels of a sample zero mean and unit variance, then scales and shifts channels.
pub static GROUP_NORM: Kernel = Kernel {
    name: "group_norm",
    inputs: INPUTS,
    outputs: &["y", "mean", "rstd"],
    params: &[
        Param::new("num_groups", Default::NeedInt),
        Param::new("eps", Default::Float(1e-5)),
        Param::new("activation", Default::Text("none")),
        Param::new("activation_out", Default::Text("none")),
    ],
    shape,
    scalars,
    variants: &[
        SUBGROUP,
        Variant {
            shader: "norm/group_norm",
            steps: &[Step { entry: "group_norm", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
        DIRECT,
        SPLIT,
    ],
    choose,
    work: |c| Work { flops: 8 * c.spec(X).len() as u64, bytes: c.bytes() },
    reference,
    bound,
    backward: Backward::Rule(backward),
    fusion: FUSION,
    ..Kernel::BASE
};

/// The activation is applied before the result is written, and a shift of the channels as x is read.
pub(super) const FUSION: Fusion = Fusion {
    epilogue: Some(Epilogue { bias: None, bias_axis_from_end: 1, residual: None, scale: false, fold: None }),
    shift: Some(SHIFT),
    ..Fusion::NONE
};

/// One workgroup per row, which holds it in registers.
pub(super) const SUBGROUP: Variant = Variant {
    how: "subgroup",
    shader: "norm/group_norm_subgroup",
    applies: |c, adapter| Rows::of(c).space.is_multiple_of(4) && holds(Rows::of(c).cols, adapter),
    steps: &[Step { entry: "group_norm_subgroup", grid: row_grid, loops: |_| EXCHANGES }],
    scalars: |c| Scalars::new().set("HELD", held(Rows::of(c).cols)),
    ..Variant::BASE
};

/// One lane per channel of a sample, without barriers.
pub(super) const DIRECT: Variant = Variant {
    how: "direct",
    shader: "norm/group_norm_direct",
    steps: &[
        Step { entry: "group_norm_direct_parts", grid: plane_grid, loops: |c| 2 * Rows::of(c).space as u64 },
        Step {
            entry: "group_norm_direct",
            grid: plane_grid,
            loops: |c| (2 * Rows::of(c).group_channels + Rows::of(c).space) as u64,
        },
    ],
    scratch: &[Scratch { name: "parts", spec: |c| Spec::f32(&[Rows::of(c).planes(), 2]) }],
    ..Variant::BASE
};

/// Rows cut into parts, a workgroup each.
pub(super) const SPLIT: Variant = Variant {
    how: "split",
    shader: "norm/group_norm_split",
    steps: &[
        Step { entry: "group_norm_split_parts", grid: part_grid, loops: part_loops },
        Step { entry: "group_norm_split", grid: part_grid, loops: part_loops },
    ],
    scratch: &[Scratch { name: "parts", spec: |c| Spec::f32(&[Rows::of(c).rows * Rows::of(c).parts(), 2]) }],
    scalars: |c| {
        let rows = Rows::of(c);
        Scalars::new().set("parts_per_row", rows.parts()).set("part_cols", rows.part_cols())
    },
    ..Variant::BASE
};

/// A call as rows to normalise: one per sample and group.
struct Rows {
    rows: usize,
    cols: usize,
    space: usize,
    channels: usize,
    groups: usize,
    group_channels: usize,
}

impl Rows {
    /// Only for calls that the shape rule accepted; without `num_groups`, every channel is a group.
    fn of(c: &Call) -> Rows {
        let (channels, space) = channels_space(c).unwrap_or((1, 1));
        let groups = match c.params.get("num_groups") {
            Some(Value::Int(n)) => *n as usize,
            _ => channels,
        };
        let group_channels = channels / groups;
        let cols = group_channels * space;
        Rows { rows: c.spec(X).len() / cols, cols, space, channels, groups, group_channels }
    }
    fn planes(&self) -> usize {
        self.rows * self.group_channels
    }
    fn part_cols(&self) -> usize {
        PART.max(self.cols.div_ceil(PARTS))
    }
    fn parts(&self) -> usize {
        self.cols.div_ceil(self.part_cols())
    }
}

pub(super) fn row_grid(c: &Call) -> Grid {
    Grid::Groups(Rows::of(c).rows as u64)
}

pub(super) fn row_loops(c: &Call) -> u64 {
    let cols = Rows::of(c).cols;
    3 * (cols as u64).div_ceil(lanes(cols)) + 16
}

fn plane_grid(c: &Call) -> Grid {
    Grid::Threads(Rows::of(c).planes() as u64)
}

fn part_grid(c: &Call) -> Grid {
    let rows = Rows::of(c);
    Grid::Groups((rows.rows * rows.parts()) as u64)
}

fn part_loops(c: &Call) -> u64 {
    let rows = Rows::of(c);
    2 * (rows.part_cols() as u64).div_ceil(lanes(rows.cols)) + 16
}

/// Indices in the order subgroup, plain, direct, split. Where barriers are dear, a lane a channel pays from a subgroup's
/// worth of channels on; elsewhere, parts pay where few rows are long, and one read of short ones (a prediction).
pub(super) fn choose(c: &Call, adapter: &Adapter) -> usize {
    let rows = Rows::of(c);
    match adapter.kind {
        AdapterKind::Cpu => 1 + usize::from(rows.planes() >= 8),
        _ if rows.parts() > 2 && rows.rows < 256 => 3,
        _ => 0,
    }
}

pub(super) fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (channels, _) = channels_space(c)?;
    if let Some(Value::Int(groups)) = c.params.get("num_groups")
        && (*groups < 1 || channels as i64 % groups != 0)
    {
        return Err(format!("{channels} channels do not split into {groups} groups"));
    }
    expect_eps(c)?;
    expect_vector(c, W, channels)?;
    expect_vector(c, B, channels)?;
    for param in ["activation", "activation_out"] {
        if activation::code(c.text(param)).is_none() {
            return Err(activation::unknown(param, c.text(param)));
        }
    }
    let of_sample = &c.shape(X)[..2];
    if c.has(SHIFT) && c.shape(SHIFT) != of_sample {
        return Err(format!("shift is {}, expected {}", Dims(c.shape(SHIFT)), Dims(of_sample)));
    }
    let statistics = Spec::f32(&[c.shape(X)[0], Rows::of(c).groups]);
    Ok(vec![c.spec(X), statistics.clone(), statistics])
}

pub(super) fn scalars(c: &Call) -> Scalars {
    let rows = Rows::of(c);
    let code = |param| activation::code(c.text(param)).unwrap_or(0);
    Scalars::new()
        .set("rows", rows.rows)
        .set("cols", rows.cols)
        .set("space", rows.space)
        .set("groups", rows.groups)
        .set("group_channels", rows.group_channels)
        .set("eps", c.float("eps"))
        .set("ACTIVATION", code("activation"))
        .set("ACTIVATION_OUT", code("activation_out"))
        .set("WG", lanes(rows.cols) as u32)
}

/// `x`, shifted.
pub(super) fn seen<'a>(r: &'a Ref) -> Cow<'a, [f64]> {
    let space = Rows::of(r).space;
    match r.opt(SHIFT) {
        None => Cow::Borrowed(r.f64(X)),
        Some(shift) => r.f64(X).iter().enumerate().map(|(i, x)| x + shift[i / space]).collect(),
    }
}

/// Before the activations.
fn normalised(r: &Ref) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (rows, eps) = (Rows::of(r), r.float("eps"));
    kernels_ref::norm::group_norm(&seen(r), r.opt(W), r.opt(B), rows.channels, rows.space, rows.groups, eps)
}

pub(super) fn reference(r: &Ref) -> Vec<Vec<f64>> {
    let (mut y, mean, rstd) = normalised(r);
    for v in &mut y {
        *v = activation::apply(r.text("activation_out"), activation::apply(r.text("activation"), *v));
    }
    vec![y, mean, rstd]
}

/// As [`super::layer_norm`], carried through the activations. A shift rounds every x to half an ulp, by which the
/// normalised value moves as x does, its mean, and `|value| ≤ √n` times their root mean square.
pub(super) fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (rows, tol) = (Rows::of(r), r.tol);
    let (inner, outer) = (r.text("activation"), r.text("activation_out"));
    let normal = normalised(r).0;
    let (mut dy, mut dm, mut dr) = (vec![], vec![], vec![]);
    for (row, x) in seen(r).chunks(rows.cols).enumerate() {
        let largest = x.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        let rounding = if r.has(SHIFT) { tol.pick(1.0, 2.0) * U * largest } else { 0.0 };
        let moved = rounding * out[2][row] * (2.0 + (rows.cols as f64).sqrt());
        let error = normal_error(tol, x, out[2][row]) + moved;
        for i in 0..rows.cols {
            let c = row % rows.groups * rows.group_channels + i / rows.space;
            let (w, b) = (r.opt(W).map_or(1.0, |w| w[c]), r.opt(B).map_or(0.0, |b| b[c]));
            let (v, y) = (normal[row * rows.cols + i], out[0][row * rows.cols + i]);
            let between = activation::apply(inner, v);
            let d = activation::bound(inner, v, between, tol, affine_error(tol, error, v, w, b));
            dy.push(activation::bound(outer, between, y, tol, d));
        }
        let (m, s) = statistics_error(tol, x, out[1][row], out[2][row]);
        dm.push(m + rounding);
        dr.push(s + moved * out[2][row]);
    }
    vec![dy, dm, dr]
}

/// Through the activations, which are computed again of what they were applied to.
pub(super) fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let names = [n.text("activation"), n.text("activation_out")];
    let (mut d, x) = (n.d(0), n.x(X));
    let x = n.opt(SHIFT).map_or(x, |shift| {
        let ones = vec![1; x.rank() - 2];
        x + shift.reshape(&[&x.shape()[..2], &ones].concat())
    });
    if names != ["none", "none"] {
        let groups = n.out(1)[1];
        let between = x.group_norm(groups, n.opt(W), n.opt(B), n.float("eps"));
        let inner = n.activated(names[0], between);
        d = n.through(names[0], between, n.through(names[1], inner, d));
    }
    of_groups(n, x, d)
}

impl<'g> Tensor<'g> {
    /// Gives every group of channels of a sample zero mean and unit variance, then scales and shifts channels.
    ///
    /// `y = (x − mean) / √(var + eps) · w + b`, mean and biased variance over a group's channels and positions
    ///
    /// # Shapes
    /// `self (B, C, …)` · `w (C)` · `b (C)` → `(B, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if `num_groups` does not divide C, or `w` or `b` is not `(C)`
    /// # Gradient
    /// `x`, `w`, `b`; uses the saved `mean`, `rstd`
    /// # Source
    /// Wu, He 2018, arXiv:1803.08494, eq. 1, 2, 7 · PyTorch `F.group_norm`
    #[track_caller]
    pub fn group_norm(self, num_groups: usize, w: Option<Tensor<'g>>, b: Option<Tensor<'g>>, eps: f64) -> Tensor<'g> {
        let params = [("num_groups", num_groups.into()), ("eps", eps.into())];
        self.graph().dispatch(&GROUP_NORM, &[Some(self), w, b, None], &params)[0]
    }
}

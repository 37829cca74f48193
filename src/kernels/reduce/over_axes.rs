//! Sums, extremes and moments over any axes. Shaders: shaders/reduce/reduce.wgsl, reduce_direct.wgsl,
//! reduce_split.wgsl, reduce_subgroup.wgsl

use kernels_ref::reduce as reference;

use super::reduce_backward::{spread, to_deviations, to_extremes, to_factors};
use super::reduction::{
    choose, combine_loops, count, direct_loops, group_loops, groups, outputs, rows, scalars, slice_loops, slices, spec,
    states, subgroup_loops, work,
};
use crate::check::{self, Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Kernel, Param, Port, Ref, Scratch, Spec, Step, Value, Variant};
use crate::tensor::Dtype;

/// The variants of one reduction.
macro_rules! variants {
    ($name:literal, $entry:literal) => {
        &[
            Variant {
                how: "subgroup",
                shader: "reduce/reduce_subgroup",
                applies: |_, adapter| {
                    adapter.subgroup.is_some_and(|(least, most)| least.is_power_of_two() && most <= 64)
                },
                steps: &[Step { entry: concat!($name, "_subgroup"), grid: groups, loops: subgroup_loops }],
                ..Variant::BASE
            },
            Variant {
                shader: "reduce/reduce",
                steps: &[Step { entry: $entry, grid: groups, loops: group_loops }],
                ..Variant::BASE
            },
            Variant {
                how: "direct",
                shader: "reduce/reduce_direct",
                steps: &[Step { entry: concat!($name, "_direct"), grid: outputs, loops: direct_loops }],
                ..Variant::BASE
            },
            Variant {
                how: "split",
                shader: "reduce/reduce_split",
                steps: &[
                    Step { entry: concat!($name, "_split"), grid: slices, loops: slice_loops },
                    Step { entry: concat!($name, "_combine"), grid: groups, loops: combine_loops },
                ],
                scratch: &[
                    Scratch { name: "state_a", spec: |c| Spec::f32(&states(c)) },
                    Scratch { name: "state_b", spec: |c| Spec::f32(&states(c)) },
                    Scratch { name: "state_i", spec: |c| Spec::u32(&states(c)) },
                ],
                ..Variant::BASE
            },
        ]
    };
}

const BASE: Kernel = Kernel {
    inputs: &[Port::f32("x").strided()],
    params: &[Param::new("axes", Default::Ints(&[])), Param::new("keepdim", Default::Flag(false))],
    shape: |c| spec(c, Dtype::F32),
    scalars: |c| scalars(c, count(c) as f64),
    choose,
    work,
    ..Kernel::BASE
};

const PLACE: Kernel = Kernel {
    params: &[Param::new("axis", Default::Int(-1)), Param::new("keepdim", Default::Flag(false))],
    shape: |c| spec(c, Dtype::I32),
    bound: |_, y| check::exact(y),
    backward: Backward::None("a place has no gradient"),
    ..BASE
};

/// The sum over axes.
pub static SUM: Kernel = Kernel {
    name: "sum",
    variants: variants!("sum", "sum"),
    reference: |r| vec![reference::sum(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(spread(n, n.d(0)))]),
    bound: |r, y| each_row(r, y, |x, y| r.tol.sum(x.len(), magnitudes(x), y)),
    ..BASE
};

/// The mean over axes.
pub static MEAN: Kernel = Kernel {
    name: "mean",
    variants: variants!("mean", "mean"),
    reference: |r| vec![reference::mean(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(spread(n, n.d(0) * (1.0 / count(n) as f64)))]),
    bound: |r, y| {
        let t = r.tol;
        each_row(r, y, |x, y| t.sum(x.len(), magnitudes(x) / x.len() as f64, y) + t.ulps(1.0, 2.5, y))
    },
    ..BASE
};

/// The largest element over axes.
pub static MAX: Kernel = Kernel {
    name: "max",
    variants: variants!("max", "max_op"),
    reference: |r| vec![reference::max(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(to_extremes(n))]),
    bound: |r, y| check::each(y, |_| flushed(r.tol)),
    ..BASE
};

/// The smallest element over axes.
pub static MIN: Kernel = Kernel {
    name: "min",
    variants: variants!("min", "min_op"),
    reference: |r| vec![reference::min(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(to_extremes(n))]),
    bound: |r, y| check::each(y, |_| flushed(r.tol)),
    ..BASE
};

/// The product over axes.
pub static PROD: Kernel = Kernel {
    name: "prod",
    variants: variants!("prod", "prod"),
    reference: |r| vec![reference::prod(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(to_factors(n))]),
    bound: |r, y| each_row(r, y, |x, y| r.tol.sum(x.len(), y.abs(), y)),
    ..BASE
};

/// `ln Σ e^x` over axes.
pub static LOGSUMEXP: Kernel = Kernel {
    name: "logsumexp",
    variants: variants!("logsumexp", "logsumexp"),
    reference: |r| vec![reference::logsumexp(&rows(r))],
    backward: Backward::Rule(|n| vec![Some(n.x(0).logsumexp_backward(spread(n, n.y(0)), spread(n, n.d(0))))]),
    bound: |r, y| {
        each_row(r, y, |x, y| {
            let terms = (4.0 * (x.len() as f64).sqrt() + 6.0) * U;
            r.tol.pick(1.0, 4.0) * (2f64.powi(-21) + terms * (1.0 + y.abs()))
        })
    },
    ..BASE
};

/// The variance over axes: the squared deviations over `R − correction`.
pub static VARIANCE: Kernel = Kernel {
    name: "variance",
    params: &[
        Param::new("axes", Default::Ints(&[])),
        Param::new("keepdim", Default::Flag(false)),
        Param::new("correction", Default::Int(1)),
    ],
    shape: variance_shape,
    scalars: |c| scalars(c, (count(c) as i64 - c.int("correction")) as f64),
    variants: variants!("variance", "variance"),
    reference: |r| vec![reference::variance(&rows(r), r.int("correction") as f64)],
    backward: Backward::Rule(|n| vec![Some(to_deviations(n))]),
    bound: |r, y| each_row(r, y, |x, y| variance_bound(x, y, r.int("correction"), r.tol)),
    ..BASE
};

/// The place of the largest element along an axis, the lowest on a tie.
pub static ARGMAX: Kernel = Kernel {
    name: "argmax",
    variants: variants!("argmax", "argmax"),
    reference: |r| vec![reference::argmax(&rows(r))],
    ..PLACE
};

/// The place of the smallest element along an axis, the lowest on a tie.
pub static ARGMIN: Kernel = Kernel {
    name: "argmin",
    variants: variants!("argmin", "argmin"),
    reference: |r| vec![reference::argmin(&rows(r))],
    ..PLACE
};

fn variance_shape(c: &Call) -> Result<Vec<Spec>, String> {
    let specs = spec(c, Dtype::F32)?;
    let (n, correction) = (c.shape(0).iter().product::<usize>() / specs[0].len().max(1), c.int("correction"));
    if correction < 0 || correction >= n as i64 {
        return Err(format!("correction is {correction} for {n} elements"));
    }
    Ok(specs)
}

fn magnitudes(x: &[f64]) -> f64 {
    x.iter().map(|v| v.abs()).sum()
}

fn flushed(t: Tol) -> f64 {
    t.pick(0.0, f64::from(f32::MIN_POSITIVE))
}

fn each_row(r: &Ref, out: &[Vec<f64>], bound: impl Fn(&[f64], f64) -> f64) -> Vec<Vec<f64>> {
    vec![rows(r).iter().zip(&out[0]).map(|(x, &y)| bound(x, y)).collect()]
}

/// A sum of squares, and what an error `e` of the mean does to it: `2·σ·e + e²`.
pub(crate) fn variance_bound(x: &[f64], y: f64, correction: i64, t: Tol) -> f64 {
    let n = x.len() as f64;
    let scale = n / (n - correction as f64);
    let e = t.pick(4.0 * n.sqrt() + 4.0, 2.0 * (n + 4.0)) * U * magnitudes(x) / n;
    let sigma = (y / scale).sqrt();
    t.pick(8.0 * n.sqrt() + 8.0, 4.0 * (n + 8.0)) * U * y + scale * (2.0 * sigma * e + e * e) + t.ulps(2.0, 4.0, y)
}

impl<'g> Tensor<'g> {
    #[track_caller]
    fn over(self, kernel: &'static Kernel, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.graph().dispatch(kernel, &[Some(self)], &[("axes", axes.to_vec().into()), ("keepdim", keepdim.into())])[0]
    }

    /// The sum over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Source
    /// PyTorch `torch.sum`
    #[track_caller]
    pub fn sum(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&SUM, axes, keepdim)
    }

    /// The mean over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Source
    /// PyTorch `torch.mean`
    #[track_caller]
    pub fn mean(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&MEAN, axes, keepdim)
    }

    /// The largest element over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Gradient
    /// Shared equally by the elements that are the largest
    /// # Source
    /// PyTorch `torch.amax`
    #[track_caller]
    pub fn max(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&MAX, axes, keepdim)
    }

    /// The smallest element over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Gradient
    /// Shared equally by the elements that are the smallest
    /// # Source
    /// PyTorch `torch.amin`
    #[track_caller]
    pub fn min(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&MIN, axes, keepdim)
    }

    /// The product over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Gradient
    /// The product of the other elements, zeros included
    /// # Source
    /// NumPy `np.prod`
    #[track_caller]
    pub fn prod(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&PROD, axes, keepdim)
    }

    /// `ln Σ e^x` over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice
    /// # Source
    /// PyTorch `torch.logsumexp`
    #[track_caller]
    pub fn logsumexp(self, axes: &[i64], keepdim: bool) -> Tensor<'g> {
        self.over(&LOGSUMEXP, axes, keepdim)
    }

    /// The variance over `axes` (none: all of them), which leave or, with `keepdim`, stay as 1.
    ///
    /// `y = Σ (x − mean)² / (R − correction)`: correction 0 is the biased variance of norms, 1 that of samples.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if an axis is missing or given twice, or `correction` is not below the count
    /// # Source
    /// Chan, Golub, LeVeque 1979, eq. 2.1 · PyTorch `torch.var`
    #[track_caller]
    pub fn variance(self, axes: &[i64], keepdim: bool, correction: i64) -> Tensor<'g> {
        let params: [(&str, Value); 3] =
            [("axes", axes.to_vec().into()), ("keepdim", keepdim.into()), ("correction", correction.into())];
        self.graph().dispatch(&VARIANCE, &[Some(self)], &params)[0]
    }

    /// The place of the largest element along `axis`, the lowest on a tie; i32.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if there is no such axis
    /// # Source
    /// NumPy `np.argmax`
    #[track_caller]
    pub fn argmax(self, axis: i64, keepdim: bool) -> Tensor<'g> {
        self.graph().dispatch(&ARGMAX, &[Some(self)], &[("axis", axis.into()), ("keepdim", keepdim.into())])[0]
    }

    /// The place of the smallest element along `axis`, the lowest on a tie; i32.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if there is no such axis
    /// # Source
    /// NumPy `np.argmin`
    #[track_caller]
    pub fn argmin(self, axis: i64, keepdim: bool) -> Tensor<'g> {
        self.graph().dispatch(&ARGMIN, &[Some(self)], &[("axis", axis.into()), ("keepdim", keepdim.into())])[0]
    }
}

//! Gradients of reductions. Shaders: shaders/reduce/logsumexp_backward.wgsl, prod_backward.wgsl

use kernels_ref::reduce as reference;

use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, axis_index};
use crate::tensor::Dtype;

const WG: usize = 64;
const M: f64 = f32::MIN_POSITIVE as f64;
const SECOND: Backward = Backward::None("gradients of gradients are not part of the engine");

/// The gradient of `ln Σ e^x`, from its result, which is repeated to the shape of `x`, as its gradient is.
pub static LOGSUMEXP_BACKWARD: Kernel = Kernel {
    name: "logsumexp_backward",
    inputs: &[Port::f32("x").strided(), Port::f32("y").strided(), Port::f32("d_y").strided()],
    outputs: &["d_x"],
    shape: |c| match [1, 2].into_iter().find(|&p| c.shape(p) != c.shape(0)) {
        Some(p) => Err(format!("shapes differ, {} and {}", Dims(c.shape(0)), Dims(c.shape(p)))),
        None => Ok(vec![Spec::f32(c.shape(0))]),
    },
    scalars: |c| {
        let layout = |p: usize| &c.input(p).layout;
        Scalars::new().set("n", c.outputs[0].len()).axes(&[("x", layout(0)), ("y", layout(1)), ("d", layout(2))])
    },
    variants: &[Variant {
        shader: "reduce/logsumexp_backward",
        steps: &[Step {
            entry: "logsumexp_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |_| 0,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 16 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| vec![reference::logsumexp_backward(r.f64(0), r.f64(1), r.f64(2))],
    bound: logsumexp_bound,
    backward: SECOND,
    ..Kernel::BASE
};

/// The exponential's error, and that of its exponent `x − y`, which is rounded.
fn logsumexp_bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let bound = |i: usize| {
        let (x, d, t) = (r.f64(0)[i], r.f64(2)[i].abs(), r.tol);
        if x == f64::NEG_INFINITY {
            return 0.0;
        }
        let z = x - r.f64(1)[i];
        let (p, a) = (z.exp(), z.abs().min(1e4));
        let error = p * (t.pick(1.5 + 0.75 * a, 3.0 + 2.0 * a) * 2.0 * U + t.rounded(z));
        d * (error + M) + t.rounded(out[0][i]) + M * p
    };
    vec![(0..out[0].len()).map(bound).collect()]
}

/// The gradient of the product of every row of the last axis.
pub static PROD_BACKWARD: Kernel = Kernel {
    name: "prod_backward",
    inputs: &[Port::f32("x"), Port::f32("d_y")],
    outputs: &["d_x"],
    shape: |c| match c.shape(0).split_last() {
        Some((_, rows)) if rows == c.shape(1) => Ok(vec![Spec::f32(c.shape(0))]),
        _ => Err(format!("d_y is {}, expected x {} without its last axis", Dims(c.shape(1)), Dims(c.shape(0)))),
    },
    scalars: |c| Scalars::new().set("rows", rows(c)).set("cols", cols(c)),
    variants: &[
        Variant {
            how: "direct",
            shader: "reduce/prod_backward",
            steps: &[Step {
                entry: "prod_backward_direct",
                grid: |c| Grid::Threads(rows(c) as u64),
                loops: |c| 2 * cols(c) as u64,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "reduce/prod_backward",
            steps: &[Step {
                entry: "prod_backward",
                grid: |c| Grid::Groups(rows(c) as u64),
                loops: |c| (3 * cols(c).div_ceil(WG) + WG) as u64,
            }],
            ..Variant::BASE
        },
    ],
    choose: |c, adapter: &Adapter| {
        let lanes_own_rows = cols(c) <= 32 || (adapter.kind == AdapterKind::Cpu && rows(c) >= WG);
        usize::from(!lanes_own_rows)
    },
    work: |c| Work { flops: 5 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| vec![reference::prod_backward(r.f64(0), r.f64(1), cols(r))],
    // Every factor, and d_y, adds its rounding.
    bound: |r, y| crate::check::each(y, |v| r.tol.sum(cols(r) + 1, v.abs(), v)),
    backward: SECOND,
    ..Kernel::BASE
};

fn cols(c: &Call) -> usize {
    c.shape(0)[c.shape(0).len() - 1]
}

fn rows(c: &Call) -> usize {
    c.shape(0).iter().product::<usize>() / cols(c)
}

/// The axes that a reduction took.
fn taken(n: &Call) -> Vec<usize> {
    let rank = n.shape(0).len();
    let axes: Vec<usize> = n.ints("axes").iter().filter_map(|&a| axis_index(a, rank)).collect();
    if axes.is_empty() { (0..rank).collect() } else { axes }
}

/// A result, or its gradient, repeated over the axes that the reduction took.
pub(super) fn spread<'g>(n: &Adjoint<'_, 'g>, y: Tensor<'g>) -> Tensor<'g> {
    let (shape, taken) = (n.shape(0), taken(n));
    let one = |(a, &size): (usize, &usize)| if taken.contains(&a) { 1 } else { size };
    y.reshape(&shape.iter().enumerate().map(one).collect::<Vec<_>>()).broadcast_to(shape)
}

/// `d_y` in equal shares to the elements that equal the result.
pub(super) fn to_extremes<'g>(n: &Adjoint<'_, 'g>) -> Tensor<'g> {
    let tied = n.x(0).compare("eq", spread(n, n.y(0)));
    let count = tied.cast(Dtype::F32).sum(n.ints("axes"), n.flag("keepdim"));
    tied.r#where(spread(n, n.d(0) / count), n.graph().scalar(0.0))
}

/// `d_y·2·(x − mean)/(R − correction)`.
pub(super) fn to_deviations<'g>(n: &Adjoint<'_, 'g>) -> Tensor<'g> {
    let x = n.x(0);
    let count: usize = taken(n).iter().map(|&a| n.shape(0)[a]).product();
    let scale = 2.0 / (count as f64 - n.int("correction") as f64);
    (x - spread(n, x.mean(n.ints("axes"), true))) * spread(n, n.d(0) * scale)
}

/// The gradient of a product over any axes, which are moved to the end and back.
pub(super) fn to_factors<'g>(n: &Adjoint<'_, 'g>) -> Tensor<'g> {
    let (shape, taken) = (n.shape(0), taken(n));
    let (mut order, reduced): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(|a| !taken.contains(a));
    order.extend(reduced);
    let moved: Vec<usize> = order.iter().map(|&a| shape[a]).collect();
    let (rows, cols) = (n.outputs[0].len(), moved.iter().product::<usize>() / n.outputs[0].len());
    let d_x = n.x(0).permute(&order).reshape(&[rows, cols]).prod_backward(n.d(0).reshape(&[rows]));
    let back: Vec<usize> = (0..order.len()).map(|a| order.iter().position(|&o| o == a).unwrap_or(a)).collect();
    d_x.reshape(&moved).permute(&back)
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::logsumexp`] at `self`, its argument; `y` is its result. Where `self` is −∞, it is 0.
    ///
    /// `d_x = d_y·e^(x − y)`
    ///
    /// # Shapes
    /// `self` · `y` and `d_y` repeated to its shape → its shape
    #[track_caller]
    pub fn logsumexp_backward(self, y: Tensor<'g>, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&LOGSUMEXP_BACKWARD, &[Some(self), Some(y), Some(d_y)], &[])[0]
    }

    /// The gradient of [`Tensor::prod`] over the last axis, at `self`, its argument; zeros need no care.
    ///
    /// `d_x_c = d_y·Π_{k≠c} x_k`
    ///
    /// # Shapes
    /// `self (…, C)` · `d_y (…)` → `(…, C)`
    #[track_caller]
    pub fn prod_backward(self, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&PROD_BACKWARD, &[Some(self), Some(d_y)], &[])[0]
    }
}

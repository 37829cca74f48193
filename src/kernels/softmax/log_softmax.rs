//! Logarithm of the softmax. Shaders: shaders/softmax/log_softmax*.wgsl

use super::softmax::along;
use super::{
    SCRATCH, choose, cols, fours, lane_grid, lane_loops, largest, part_grid, part_loops, row_grid, row_loops, scalars,
    shape, sum_error,
};
use crate::adapter::AdapterKind;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Kernel, Port, Ref, Scalars, Step, Variant, Work};
use crate::kernels::norm::{EXCHANGES, held, holds};

/// The logarithm of the softmax of every row of the last axis.
pub static LOG_SOFTMAX: Kernel = Kernel {
    name: "log_softmax",
    inputs: &[Port::f32("x")],
    shape,
    scalars,
    variants: &[
        Variant {
            how: "direct",
            shader: "softmax/log_softmax",
            steps: &[Step { entry: "log_softmax_direct", grid: lane_grid, loops: lane_loops }],
            ..Variant::BASE
        },
        Variant {
            how: "split",
            shader: "softmax/log_softmax",
            steps: &[
                Step { entry: "log_softmax_split_parts", grid: part_grid, loops: part_loops },
                Step { entry: "log_softmax_split", grid: part_grid, loops: part_loops },
            ],
            scratch: SCRATCH,
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "softmax/log_softmax_vec4",
            applies: fours,
            steps: &[Step { entry: "log_softmax_vec4", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
        Variant {
            how: "subgroup",
            shader: "softmax/log_softmax_subgroup",
            applies: |c, adapter| holds(cols(c), adapter),
            steps: &[Step { entry: "log_softmax_subgroup", grid: row_grid, loops: |_| EXCHANGES }],
            scalars: |c| Scalars::new().set("HELD", held(cols(c))),
            ..Variant::BASE
        },
        Variant {
            shader: "softmax/log_softmax",
            steps: &[Step { entry: "log_softmax", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
    ],
    choose: |c, adapter| match LOG_SOFTMAX.index_of("subgroup") {
        // One read in place of three (a prediction).
        how if adapter.kind != AdapterKind::Cpu && LOG_SOFTMAX.variants[how].fits(c, adapter) => how,
        _ => choose(c, adapter),
    },
    work: |c| Work { flops: 6 * c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::softmax::log_softmax(r.f64(0), cols(r))],
    bound,
    backward: Backward::Rule(|n| vec![Some(n.y(0).log_softmax_backward(n.d(0)))]),
    ..Kernel::BASE
};

/// The sum's relative error (its own and its terms' `exp`), the logarithm's (3 ulp), and the roundings of
/// two differences.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut bounds = vec![];
    for (row, x) in r.f64(0).chunks(cols(r)).enumerate() {
        let m = largest(x);
        let terms = || x.iter().map(|v| v - m).filter(|d| *d > -1e4);
        let sum: f64 = terms().map(f64::exp).sum();
        let exp_error: f64 = terms().map(|d| d.exp() * (3.0 + 2.0 * d.abs())).sum();
        let of_sum = exp_error / sum.max(1.0) * 2.0 * U + sum_error(r.tol, x) + r.tol.ulps(3.0, 6.0, sum.ln().max(0.0));
        for (c, &v) in x.iter().enumerate() {
            let y = out[0][row * x.len() + c];
            bounds.push(of_sum + r.tol.ulps(0.5, 1.0, v - m) + r.tol.rounded(y));
        }
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The logarithm of the softmax along `axis`, which may count from the end. −∞ stays −∞, also where all
    /// elements are (PyTorch: NaN). +∞ and NaN are undefined.
    ///
    /// `y_c = (x_c − max x) − ln Σ_k exp(x_k − max x)`
    ///
    /// # Shapes
    /// `self (…, C, …)` → `(…, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if there is no such axis
    /// # Gradient
    /// `x`; uses the saved `y`
    /// # Source
    /// PyTorch `F.log_softmax`
    #[track_caller]
    pub fn log_softmax(self, axis: i64) -> Tensor<'g> {
        along(self, axis, &LOG_SOFTMAX)
    }
}

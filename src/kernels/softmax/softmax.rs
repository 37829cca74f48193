//! Softmax. Shaders: shaders/softmax/softmax*.wgsl

use super::{
    SCRATCH, choose, cols, fours, lane_grid, lane_loops, largest, part_grid, part_loops, row_grid, row_loops, rows,
    scalars, shape, sum_error,
};
use crate::adapter::{Adapter, AdapterKind};
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Step, Variant, Work};
use crate::shape::axis_index;

/// Elements that a lane of `subgroup` holds.
const HELD: usize = 16;

/// Vectors of four that a lane of `held` holds at most.
const MOST: usize = 32;

/// Vectors of four that a lane holds of a row, on adapters that have subgroups.
fn vectors_held(c: &Call, adapter: &Adapter) -> Option<usize> {
    adapter.subgroup.map(|(least, _)| (cols(c) / 4).div_ceil(least as usize))
}

/// Turns every row of the last axis into weights that are positive and sum to 1.
pub static SOFTMAX: Kernel = Kernel {
    name: "softmax",
    inputs: &[Port::f32("x")],
    shape,
    scalars,
    variants: &[
        Variant {
            how: "direct",
            shader: "softmax/softmax",
            steps: &[Step { entry: "softmax_direct", grid: lane_grid, loops: lane_loops }],
            ..Variant::BASE
        },
        Variant {
            how: "split",
            shader: "softmax/softmax",
            steps: &[
                Step { entry: "softmax_split_parts", grid: part_grid, loops: part_loops },
                Step { entry: "softmax_split", grid: part_grid, loops: part_loops },
            ],
            scratch: SCRATCH,
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "softmax/softmax_vec4",
            applies: fours,
            steps: &[Step { entry: "softmax_vec4", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
        Variant {
            how: "held",
            shader: "softmax/softmax_held",
            applies: |c, adapter| fours(c, adapter) && vectors_held(c, adapter).is_some_and(|held| held <= MOST),
            steps: &[Step { entry: "softmax_held", grid: |c| Grid::Groups(rows(c).div_ceil(8) as u64), loops: |_| 8 }],
            scalars: |c| Scalars::new().set("COLS", cols(c)),
            ..Variant::BASE
        },
        Variant {
            how: "subgroup",
            shader: "softmax/softmax_subgroup",
            applies: |c, adapter| adapter.subgroup.is_some_and(|(least, _)| cols(c) <= HELD * least as usize),
            // Two subgroups a workgroup, or more that find fewer rows left.
            steps: &[Step {
                entry: "softmax_subgroup",
                grid: |c| Grid::Groups(rows(c).div_ceil(2) as u64),
                loops: |_| 8,
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "softmax/softmax",
            steps: &[Step { entry: "softmax", grid: row_grid, loops: row_loops }],
            ..Variant::BASE
        },
    ],
    choose: |c, adapter| {
        let [held, subgroup] = ["held", "subgroup"].map(|how| SOFTMAX.index_of(how));
        let fits = |how: usize| SOFTMAX.variants[how].fits(c, adapter);
        match adapter.kind {
            // One read in place of three, and no barrier; a GPU has 64 registers a lane for it.
            AdapterKind::Cpu if fits(held) => held,
            AdapterKind::Cpu => choose(c, adapter),
            _ if fits(held) && vectors_held(c, adapter) <= Some(MOST / 2) => held,
            _ if fits(subgroup) => subgroup,
            _ => choose(c, adapter),
        }
    },
    work: |c| Work { flops: 7 * c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::softmax::softmax(r.f64(0), cols(r))],
    bound,
    backward: Backward::Rule(|n| vec![Some(n.y(0).softmax_backward(n.d(0)))]),
    ..Kernel::BASE
};

/// `p·((3 + 2|d|)·2⁻²³ + (4√n + 4 + |d|)·u) + 2⁻¹²⁶` with `d = x − max`.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut bounds = vec![];
    for (row, x) in r.f64(0).chunks(cols(r)).enumerate() {
        let (m, sum) = (largest(x), sum_error(r.tol, x));
        for (c, &v) in x.iter().enumerate() {
            let p = out[0][row * x.len() + c];
            let d = (v - m).abs().min(1e4);
            let masked = v == f64::NEG_INFINITY;
            let error = p * ((3.0 + 2.0 * d) * 2.0 * U + sum + d * U) + f64::from(f32::MIN_POSITIVE);
            bounds.push(if masked { 0.0 } else { error });
        }
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// Turns the elements along `axis`, which may count from the end, into weights that are positive and sum
    /// to 1. −∞ gets weight exactly 0; −∞ alone gets zeros (PyTorch: NaN). +∞ and NaN are undefined.
    ///
    /// `y_c = exp(x_c − max x) / Σ_k exp(x_k − max x)`
    ///
    /// # Shapes
    /// `self (…, C, …)` → `(…, C, …)`
    /// # Errors
    /// [`crate::Error::Graph`] if there is no such axis
    /// # Gradient
    /// `x`; uses the saved `y`
    /// # Source
    /// Bridle 1990 · PyTorch `F.softmax`
    #[track_caller]
    pub fn softmax(self, axis: i64) -> Tensor<'g> {
        along(self, axis, &SOFTMAX)
    }
}

/// `kernel`, which works along the last axis, along `axis`.
#[track_caller]
pub(super) fn along<'g>(x: Tensor<'g>, axis: i64, kernel: &'static Kernel) -> Tensor<'g> {
    let rank = x.rank();
    let Some(a) = axis_index(axis, rank) else {
        x.graph().reject(kernel.name, format!("axis {axis} is not in {}", crate::shape::Dims(&x.shape())));
        return x;
    };
    if a + 1 == rank {
        return x.graph().dispatch(kernel, &[Some(x)], &[])[0];
    }
    let moved = x.transpose(a as i64, -1);
    moved.graph().dispatch(kernel, &[Some(moved)], &[])[0].transpose(a as i64, -1)
}

//! Gradients of softmax and its logarithm. Shaders: shaders/softmax/softmax_backward.wgsl, softmax_backward_vec4.wgsl,
//! log_softmax_backward.wgsl, log_softmax_backward_vec4.wgsl

use super::{cols, fours, lane_grid, row_grid, rows, scalars};
use crate::adapter::{Adapter, AdapterKind};
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Kernel, Port, Ref, Spec, Step, Variant, Work};
use crate::kernels::norm::lanes;
use crate::shape::Dims;

const Y: usize = 0;
const D_Y: usize = 1;
const M: f64 = f32::MIN_POSITIVE as f64;

const BASE: Kernel = Kernel {
    inputs: &[Port::f32("y"), Port::f32("d_y")],
    outputs: &["d_x"],
    shape,
    scalars,
    choose,
    work: |c| Work { flops: 4 * c.spec(Y).len() as u64, bytes: c.bytes() },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// The gradient of the softmax of every row of the last axis.
pub static SOFTMAX_BACKWARD: Kernel = Kernel {
    name: "softmax_backward",
    variants: &[
        Variant {
            how: "direct",
            shader: "softmax/softmax_backward",
            steps: &[Step { entry: "softmax_backward_direct", grid: lane_grid, loops: |c| 2 * cols(c) as u64 }],
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "softmax/softmax_backward_vec4",
            applies: fours,
            steps: &[Step { entry: "softmax_backward_vec4", grid: row_grid, loops: |c| loops(c, 4) }],
            ..Variant::BASE
        },
        Variant {
            shader: "softmax/softmax_backward",
            steps: &[Step { entry: "softmax_backward", grid: row_grid, loops: |c| loops(c, 1) }],
            ..Variant::BASE
        },
    ],
    reference: |r| vec![kernels_ref::softmax::softmax_backward(r.f64(Y), r.f64(D_Y), cols(r))],
    bound: |r, out| {
        each_row(r, out, |y, d_y, d_x| {
            let dot: f64 = y.iter().zip(d_y).map(|(y, d)| y * d).sum();
            let magnitude = y.iter().zip(d_y).map(|(y, d)| (y * d).abs()).sum();
            let error = r.tol.dot(y.len(), magnitude, dot);
            let one = |c: usize| {
                let difference = d_y[c] - dot;
                y[c].abs() * (error + r.tol.rounded(difference)) + r.tol.rounded(d_x[c]) + M * difference.abs()
            };
            (0..y.len()).map(one).collect()
        })
    },
    ..BASE
};

/// The gradient of the logarithm of the softmax of every row of the last axis.
pub static LOG_SOFTMAX_BACKWARD: Kernel = Kernel {
    name: "log_softmax_backward",
    variants: &[
        Variant {
            how: "direct",
            shader: "softmax/log_softmax_backward",
            steps: &[Step { entry: "log_softmax_backward_direct", grid: lane_grid, loops: |c| 2 * cols(c) as u64 }],
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "softmax/log_softmax_backward_vec4",
            applies: fours,
            steps: &[Step { entry: "log_softmax_backward_vec4", grid: row_grid, loops: |c| loops(c, 4) }],
            ..Variant::BASE
        },
        Variant {
            shader: "softmax/log_softmax_backward",
            steps: &[Step { entry: "log_softmax_backward", grid: row_grid, loops: |c| loops(c, 1) }],
            ..Variant::BASE
        },
    ],
    reference: |r| vec![kernels_ref::softmax::log_softmax_backward(r.f64(Y), r.f64(D_Y), cols(r))],
    // The sum's error and the exponential's (of softmax's bound), in their product; its rounding, and the difference's.
    bound: |r, out| {
        each_row(r, out, |y, d_y, d_x| {
            let sum: f64 = d_y.iter().sum();
            let error = r.tol.sum(y.len(), d_y.iter().map(|d| d.abs()).sum(), sum);
            let one = |c: usize| {
                if y[c] == f64::NEG_INFINITY {
                    return r.tol.rounded(d_x[c]);
                }
                let p = y[c].exp();
                let power = p * (3.0 + 2.0 * y[c].abs()) * 2.0 * U + M;
                p * error + power * sum.abs() + r.tol.rounded(p * sum) + r.tol.rounded(d_x[c])
            };
            (0..y.len()).map(one).collect()
        })
    },
    ..BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (y, d_y) = (c.shape(Y), c.shape(D_Y));
    if y.is_empty() {
        return Err("y has no axis".into());
    }
    if y != d_y {
        return Err(format!("shapes differ, {} and {}", Dims(y), Dims(d_y)));
    }
    Ok(vec![c.spec(Y)])
}

/// Two passes over a lane's share of a row, `width` elements at a time, and a tree.
fn loops(c: &Call, width: u64) -> u64 {
    2 * (cols(c) as u64 / width).div_ceil(lanes(cols(c))) + 8
}

/// Indices in the order direct, vec4, plain, as the functions' own (`softmax::choose`).
fn choose(c: &Call, adapter: &Adapter) -> usize {
    if adapter.kind == AdapterKind::Cpu && rows(c) >= 8 && cols(c) < 512 { 0 } else { 1 }
}

fn each_row(r: &Ref, out: &[Vec<f64>], bound: impl Fn(&[f64], &[f64], &[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
    let n = cols(r);
    let rows = r.f64(Y).chunks(n).zip(r.f64(D_Y).chunks(n)).zip(out[0].chunks(n));
    vec![rows.flat_map(|((y, d_y), d_x)| bound(y, d_y, d_x)).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::softmax`] along the last axis; `self` is its result `y`. Where `y` is 0, it is 0.
    ///
    /// `d_x_c = y_c·(d_y_c − Σ_k d_y_k·y_k)`
    ///
    /// # Shapes
    /// `self (…, C)` · `d_y (…, C)` → `(…, C)`
    #[track_caller]
    pub fn softmax_backward(self, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&SOFTMAX_BACKWARD, &[Some(self), Some(d_y)], &[])[0]
    }

    /// The gradient of [`Tensor::log_softmax`] along the last axis; `self` is its result `y`. Where `y` is −∞, it is `d_y`.
    ///
    /// `d_x_c = d_y_c − exp(y_c)·Σ_k d_y_k`
    ///
    /// # Shapes
    /// `self (…, C)` · `d_y (…, C)` → `(…, C)`
    #[track_caller]
    pub fn log_softmax_backward(self, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&LOG_SOFTMAX_BACKWARD, &[Some(self), Some(d_y)], &[])[0]
    }
}

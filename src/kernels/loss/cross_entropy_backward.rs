//! The gradient of cross entropy. Shader: shaders/loss/cross_entropy_backward.wgsl

use super::cross_entropy::PARAMS;
use super::{LABELS, LOGITS, Share, choose, expect_rows, of, rows_cols, scalars};
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Grid, Kernel, Port, Ref, Step, Variant, Work};
use crate::kernels::norm::lanes;
use crate::shape::Dims;

const LSE: usize = 3;
const D_LOSS: usize = 4;

/// The gradient of `cross_entropy` with respect to the logits.
pub static CROSS_ENTROPY_BACKWARD: Kernel = Kernel {
    name: "cross_entropy_backward",
    inputs: &[
        Port::f32("logits"),
        Port::i32("labels"),
        Port::f32("class_weight").optional(),
        Port::f32("lse"),
        Port::f32("d_loss"),
    ],
    outputs: &["d_logits"],
    params: PARAMS,
    shape: |c| {
        let rows = expect_rows(c)?;
        match [LSE, D_LOSS].into_iter().find(|&port| c.shape(port) != rows) {
            None => Ok(vec![c.spec(LOGITS)]),
            Some(port) => {
                let name = c.kernel.inputs[port].name;
                Err(format!("{name} is {}, expected {}", Dims(c.shape(port)), Dims(&rows)))
            }
        }
    },
    scalars,
    variants: &[
        Variant {
            shader: "loss/cross_entropy_backward",
            steps: &[Step {
                entry: "cross_entropy_backward",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 2 * (rows_cols(c).1 as u64).div_ceil(lanes(rows_cols(c).1)) + 8,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "loss/cross_entropy_backward",
            steps: &[Step {
                entry: "cross_entropy_backward_direct",
                grid: |c| Grid::Threads(rows_cols(c).0 as u64),
                loops: |c| 2 * rows_cols(c).1 as u64,
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| Work { flops: 5 * c.spec(LOGITS).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (z, t, lse, d_loss) = (r.f64(LOGITS), r.f64(LABELS), r.f64(LSE), r.f64(D_LOSS));
        vec![kernels_ref::loss::cross_entropy_backward(z, t, lse, d_loss, of(r))]
    },
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// With `d = z − lse`, `p = e^d` is off by `p·((3 + 2·|d|)·2u + |d|·u)` and may be flushed; its factor by four
/// roundings and the sum of the weights; the three terms are added, and the sum is multiplied.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (cols, tol, of) = (rows_cols(r).1, r.tol, Share::of(r));
    let flushed = tol.ulps(0.0, 0.0, 0.0);
    let weights = of.magnitude();
    let mut bounds = vec![];
    for (row, z) in r.f64(LOGITS).chunks(cols).enumerate() {
        let Some(t) = of.class(r, row) else {
            bounds.extend(vec![0.0; cols]);
            continue;
        };
        let d_loss = r.f64(D_LOSS)[row];
        let label = of.keep * of.weights[t].abs();
        let factor = label + of.share * weights;
        let of_factor = tol.pick(4.0, 8.0) * U * factor + of.share * tol.sum(cols, weights, weights);
        bounds.extend((0..cols).map(|c| {
            let d = z[c] - r.f64(LSE)[row];
            let p = d.exp();
            let of_p = p * ((3.0 + 2.0 * d.abs()) * 2.0 * U + d.abs() * tol.pick(1.0, 2.0) * U) + flushed;
            let taken = if c == t { label } else { 0.0 } + of.share * of.weights[c].abs();
            let terms = factor * p + taken;
            let of_terms = factor * of_p + p * of_factor + tol.pick(4.0, 8.0) * U * terms + flushed;
            d_loss.abs() * of_terms + tol.rounded(out[0][row * cols + c])
        }));
    }
    vec![bounds]
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::cross_entropy`] with respect to the logits `self`; `given` are `labels`, `lse` and
    /// `d_loss`.
    ///
    /// `d_z_c = d_loss · (p_c · ((1 − ε) · v_t + ε/C · Σ v) − (1 − ε) · v_t · [c = t] − ε/C · v_c)`, `p_c = e^(z_c − lse)`
    ///
    /// # Shapes
    /// `self (…, C)` · `labels (…)` i32 · `lse`, `d_loss` `(…)` · `class_weight (C)` → `(…, C)`
    /// # Units
    /// As of [`Tensor::cross_entropy`]; zeros where the label is `ignore_index`, NaN where it is no class
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit or `label_smoothing` is not in 0..=1
    /// # Gradient
    /// None: gradients of gradients are not part of the engine
    /// # Source
    /// Szegedy et al. 2016, arXiv:1512.00567, section 7, differentiated
    #[track_caller]
    pub fn cross_entropy_backward(
        self,
        given: [Tensor<'g>; 3],
        class_weight: Option<Tensor<'g>>,
        label_smoothing: f64,
        ignore_index: i64,
    ) -> Tensor<'g> {
        let [labels, lse, d_loss] = given;
        let params = [("label_smoothing", label_smoothing.into()), ("ignore_index", ignore_index.into())];
        let inputs = [Some(self), Some(labels), class_weight, Some(lse), Some(d_loss)];
        self.graph().dispatch(&CROSS_ENTROPY_BACKWARD, &inputs, &params)[0]
    }
}

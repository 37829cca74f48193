//! Cross entropy of logits and labels. Shader: shaders/loss/cross_entropy.wgsl

use super::{CLASS_WEIGHT, LABELS, LOGITS, Share, choose, expect_rows, of, rows_cols, scalars};
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};
use crate::kernels::norm::lanes;
use crate::kernels::softmax::sum_error;

/// Cross entropy of rows of logits and their labels.
pub static CROSS_ENTROPY: Kernel = Kernel {
    name: "cross_entropy",
    inputs: &[Port::f32("logits"), Port::i32("labels"), Port::f32("class_weight").optional()],
    outputs: &["loss", "lse", "weight"],
    params: PARAMS,
    shape: |c| {
        let rows = Spec::f32(&expect_rows(c)?);
        Ok(vec![rows.clone(), rows.clone(), rows])
    },
    scalars,
    variants: &[
        Variant {
            shader: "loss/cross_entropy",
            steps: &[Step {
                entry: "cross_entropy",
                grid: |c| Grid::Groups(rows_cols(c).0 as u64),
                loops: |c| 2 * (rows_cols(c).1 as u64).div_ceil(lanes(rows_cols(c).1)) + 32,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "loss/cross_entropy",
            steps: &[Step {
                entry: "cross_entropy_direct",
                grid: |c| Grid::Threads(rows_cols(c).0 as u64),
                loops: |c| 2 * rows_cols(c).1 as u64,
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| Work { flops: 4 * c.spec(LOGITS).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (loss, lse, weight) = kernels_ref::loss::cross_entropy(r.f64(LOGITS), r.f64(LABELS), of(r));
        vec![loss, lse, weight]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

pub(super) const PARAMS: &[Param] =
    &[Param::new("label_smoothing", Default::Float(0.0)), Param::new("ignore_index", Default::Int(-100))];

/// `ln Σ e^(z − m)` is off as in `log_softmax`; every `lse − z` by that and two roundings; then the products and sums of
/// the formula, with `1 − ε` and `ε/C` rounded too.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (cols, tol, of) = (rows_cols(r).1, r.tol, Share::of(r));
    let (mut of_loss, mut of_lse) = (vec![], vec![]);
    for (row, z) in r.f64(LOGITS).chunks(cols).enumerate() {
        let m = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|v| (v - m).exp()).sum();
        let exponentials: f64 = z.iter().map(|v| (v - m).exp() * (3.0 + 2.0 * (m - v))).sum();
        let of_sum = exponentials / sum * 2.0 * U + sum_error(tol, z) + tol.ulps(3.0, 6.0, sum.ln());
        of_lse.push(of_sum + tol.rounded(out[1][row]));
        let Some(t) = of.class(r, row) else {
            of_loss.push(0.0);
            continue;
        };
        let nll = (m - z[t]) + sum.ln();
        let label = of.keep * of.weights[t].abs();
        let mut error = label * (of_sum + tol.rounded(m - z[t]) + tol.rounded(nll)) + tol.ulps(3.0, 6.0, label * nll);
        if of.share > 0.0 {
            let differences: f64 = z.iter().zip(&of.weights).map(|(z, w)| w.abs() * (m - z)).sum();
            let weights = of.magnitude();
            let terms = tol.sum(cols, differences, differences) + tol.pick(2.0, 4.0) * U * differences;
            let logarithms = weights * of_sum + sum.ln() * tol.sum(cols, weights, weights);
            error += of.share * (terms + logarithms);
            error += tol.ulps(4.0, 8.0, of.share * (differences + weights * sum.ln())) + tol.rounded(out[0][row]);
        }
        of_loss.push(error);
    }
    vec![of_loss, of_lse, vec![0.0; out[2].len()]]
}

/// Of `loss` by its kernel; of `lse`, the softmax. `weight` does not depend on the logits.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (z, lse) = (n.x(LOGITS), n.y(1));
    let d_logits = n.wanted(LOGITS, || {
        let given = [n.x(LABELS), lse, n.d(0)];
        let (smoothing, ignored) = (n.float("label_smoothing"), n.int("ignore_index"));
        let d = z.cross_entropy_backward(given, n.opt(CLASS_WEIGHT), smoothing, ignored);
        match n.d_opt(1) {
            None => d,
            Some(d_lse) => d + (z - lse.unsqueeze(-1)).exp() * d_lse.unsqueeze(-1),
        }
    });
    vec![d_logits, None, None]
}

/// What [`Tensor::cross_entropy`] returns.
#[derive(Clone, Copy)]
pub struct CrossEntropy<'g> {
    /// The loss of every row, times the weight of its label.
    pub loss: Tensor<'g>,
    /// The logarithm of every row's sum of exponentials.
    pub lse: Tensor<'g>,
    /// The weight of every row's label, 0 if the row does not count: the mean is `Σ loss / Σ weight`.
    pub weight: Tensor<'g>,
}

impl<'g> Tensor<'g> {
    /// Cross entropy of rows of logits and their labels; a class counts by its `class_weight`, and `label_smoothing`
    /// spreads that share of each target over all classes.
    ///
    /// `loss = (1 − ε) · v_t · (lse − z_t) + ε/C · Σ_c v_c · (lse − z_c)`; 0 where the label t is `ignore_index`
    ///
    /// # Shapes
    /// `self (…, C)` · `labels (…)` i32 · `class_weight (C)` → `loss`, `lse`, `weight`, each `(…)`
    /// # Units
    /// Logits, finite ones; `labels` in 0..C or `ignore_index`, and NaN for any other: the host checks before
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit or `label_smoothing` is not in 0..=1
    /// # Gradient
    /// `self`; uses the saved `lse`. `class_weight` is constant
    /// # Source
    /// Szegedy et al. 2016, arXiv:1512.00567, section 7 · PyTorch `F.cross_entropy`
    #[track_caller]
    pub fn cross_entropy(
        self,
        labels: Tensor<'g>,
        class_weight: Option<Tensor<'g>>,
        label_smoothing: f64,
        ignore_index: i64,
    ) -> CrossEntropy<'g> {
        let params = [("label_smoothing", label_smoothing.into()), ("ignore_index", ignore_index.into())];
        let outputs = self.graph().dispatch(&CROSS_ENTROPY, &[Some(self), Some(labels), class_weight], &params);
        CrossEntropy { loss: outputs[0], lse: outputs[1], weight: outputs[2] }
    }
}

//! Losses, one number a row or an element.

use rayon::prelude::*;

/// What a cross entropy is of, beside logits and labels.
#[derive(Clone, Copy)]
pub struct CrossEntropy<'a> {
    /// Weight of each class; 1 if absent.
    pub class_weight: Option<&'a [f64]>,
    /// Number of classes.
    pub classes: usize,
    /// The share ε of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// The label of rows that do not count.
    pub ignore_index: f64,
}

impl CrossEntropy<'_> {
    fn weight(&self, c: usize) -> f64 {
        self.class_weight.map_or(1.0, |w| w[c])
    }
    fn label(&self, t: f64) -> Option<usize> {
        (0.0..self.classes as f64).contains(&t).then_some(t as usize)
    }
}

/// Cross entropy of rows of logits with labels smoothed by ε (Szegedy et al. 2016, arXiv:1512.00567, section 7), in which
/// each class counts by its weight, as in PyTorch `F.cross_entropy`. Returns `loss`, `lse` and `weight` of every row: loss
/// and weight are 0 for a row to ignore, and the loss is NaN for a label that is no class.
pub fn cross_entropy(logits: &[f64], labels: &[f64], of: CrossEntropy<'_>) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (c, e) = (of.classes, of.label_smoothing);
    let row = |(z, &t): (&[f64], &f64)| {
        let m = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = z.iter().map(|v| (v - m).exp()).sum::<f64>().ln();
        let log_p = |k: usize| (z[k] - m) - log_sum;
        if t == of.ignore_index {
            return (0.0, m + log_sum, 0.0);
        }
        let Some(t) = of.label(t) else { return (f64::NAN, m + log_sum, 0.0) };
        let smooth = -(0..c).map(|k| of.weight(k) * log_p(k)).sum::<f64>();
        let loss = -(1.0 - e) * of.weight(t) * log_p(t) + e / c as f64 * smooth;
        (loss, m + log_sum, of.weight(t))
    };
    let rows: Vec<(f64, f64, f64)> = logits.par_chunks(c).zip(labels).map(row).collect();
    (rows.iter().map(|r| r.0).collect(), rows.iter().map(|r| r.1).collect(), rows.iter().map(|r| r.2).collect())
}

/// The gradient of [`cross_entropy`] with respect to the logits, from the saved `lse`: `∂lse/∂z` is the softmax.
pub fn cross_entropy_backward(
    logits: &[f64],
    labels: &[f64],
    lse: &[f64],
    d_loss: &[f64],
    of: CrossEntropy<'_>,
) -> Vec<f64> {
    let (c, e) = (of.classes, of.label_smoothing);
    let weights: f64 = (0..c).map(|k| of.weight(k)).sum();
    let mut d_logits = vec![0.0; logits.len()];
    for (row, d) in d_logits.chunks_mut(c).enumerate() {
        if labels[row] == of.ignore_index {
            continue;
        }
        let Some(t) = of.label(labels[row]) else {
            d.fill(f64::NAN);
            continue;
        };
        for k in 0..c {
            let p = (logits[row * c + k] - lse[row]).exp();
            let nll = (1.0 - e) * of.weight(t) * (p - if k == t { 1.0 } else { 0.0 });
            let smooth = e / c as f64 * (p * weights - of.weight(k));
            d[k] = d_loss[row] * (nll + smooth);
        }
    }
    d_logits
}

/// Binary cross entropy of logits: `ln(1 + e^o) − o·y`.
pub fn bce_with_logits(o: &[f64], y: &[f64]) -> Vec<f64> {
    o.iter().zip(y).map(|(&o, &y)| o.max(0.0) - o * y + (-o.abs()).exp().ln_1p()).collect()
}

/// Huber's loss (Huber 1964, Robust estimation of a location parameter): quadratic up to `delta`, linear beyond.
pub fn huber(o: &[f64], y: &[f64], delta: f64) -> Vec<f64> {
    let one = |(o, y): (&f64, &f64)| {
        let e = (o - y).abs();
        if e <= delta { 0.5 * e * e } else { delta * (e - 0.5 * delta) }
    };
    o.iter().zip(y).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // z=np.array([1.,2,3]); np.log(np.exp(z).sum())-z[0]
    #[test]
    fn cross_entropy_of_three() {
        let of = CrossEntropy { class_weight: None, classes: 3, label_smoothing: 0.0, ignore_index: -100.0 };
        let (loss, lse, weight) = cross_entropy(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0], &[0.0, -100.0], of);
        assert!((loss[0] - 2.4076059644).abs() < 1e-9 && loss[1] == 0.0);
        assert!((lse[0] - 3.4076059644).abs() < 1e-9);
        assert_eq!(weight, [1.0, 0.0]);
    }

    // np.log1p(np.exp(2.))-2*.25
    #[test]
    fn bce_of_one() {
        assert!((bce_with_logits(&[2.0], &[0.25])[0] - 1.6269280110).abs() < 1e-9);
    }

    #[test]
    fn huber_meets_itself_at_delta() {
        assert_eq!(huber(&[3.0, -3.0, 5.0], &[1.0, -1.0, 1.0], 2.0), [2.0, 2.0, 6.0]);
    }
}

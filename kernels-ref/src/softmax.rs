//! Softmax over rows.

use rayon::prelude::*;

/// Softmax over rows of `c` elements. −∞ gets probability 0; a row of −∞ alone becomes zeros (PyTorch: NaN).
pub fn softmax(x: &[f64], c: usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(c).zip(x.par_chunks(c)).for_each(|(y, x)| {
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if max > f64::NEG_INFINITY {
            let sum: f64 = x.iter().map(|v| (v - max).exp()).sum();
            for i in 0..c {
                y[i] = (x[i] - max).exp() / sum;
            }
        }
    });
    y
}

/// Logarithm of the softmax over rows of `c` elements. −∞ stays −∞, also in a row of −∞ alone (PyTorch: NaN).
pub fn log_softmax(x: &[f64], c: usize) -> Vec<f64> {
    let mut y = vec![f64::NEG_INFINITY; x.len()];
    y.par_chunks_mut(c).zip(x.par_chunks(c)).for_each(|(y, x)| {
        let top = (0..c).fold(0, |best, i| if x[i] > x[best] { i } else { best });
        if x[top] > f64::NEG_INFINITY {
            // The largest term is e⁰ = 1; ln_1p of the others keeps the digits that ln(1 + tiny) loses.
            let others: f64 = (0..c).filter(|&i| i != top).map(|i| (x[i] - x[top]).exp()).sum();
            for i in 0..c {
                y[i] = x[i] - x[top] - others.ln_1p();
            }
        }
    });
    y
}

/// The gradient of softmax over rows of `c` elements: `y_i·(d_y_i − Σ_k d_y_k·y_k)`, from the Jacobian
/// `∂y_k/∂x_i = y_k·(δ_ki − y_i)`.
pub fn softmax_backward(y: &[f64], d_y: &[f64], c: usize) -> Vec<f64> {
    let mut d_x = vec![0.0; y.len()];
    for r in (0..y.len()).step_by(c) {
        let sum: f64 = (r..r + c).map(|k| d_y[k] * y[k]).sum();
        for i in r..r + c {
            d_x[i] = y[i] * (d_y[i] - sum);
        }
    }
    d_x
}

/// The gradient of the logarithm of softmax over rows of `c` elements: `d_y_i − e^(y_i)·Σ_k d_y_k`.
pub fn log_softmax_backward(y: &[f64], d_y: &[f64], c: usize) -> Vec<f64> {
    let mut d_x = vec![0.0; y.len()];
    for r in (0..y.len()).step_by(c) {
        let sum: f64 = d_y[r..r + c].iter().sum();
        for i in r..r + c {
            d_x[i] = d_y[i] - y[i].exp() * sum;
        }
    }
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!(g == w || (g - w).abs() < 1e-9, "{got:?} is not {want:?}");
        }
    }

    const MASKED: f64 = f64::NEG_INFINITY;

    // scipy.special.softmax([[1., 2, 3], [1000, 1000, 1001]], axis=1)
    #[test]
    fn softmax_of_threes() {
        let y = softmax(&[1.0, 2.0, 3.0, 1000.0, 1000.0, 1001.0], 3);
        close(&y, &[0.0900305732, 0.2447284711, 0.6652409558, 0.2119415576, 0.2119415576, 0.5761168848]);
    }

    #[test]
    fn masked_elements_have_no_weight() {
        close(&softmax(&[0.0, MASKED, 0.0, MASKED, MASKED, MASKED], 3), &[0.5, 0.0, 0.5, 0.0, 0.0, 0.0]);
        close(&log_softmax(&[0.0, MASKED, 0.0], 3), &[-std::f64::consts::LN_2, MASKED, -std::f64::consts::LN_2]);
        close(&log_softmax(&[MASKED, MASKED], 2), &[MASKED, MASKED]);
    }

    // scipy.special.log_softmax([1., 2, 3])
    #[test]
    fn log_softmax_of_three() {
        close(&log_softmax(&[1.0, 2.0, 3.0], 3), &[-2.4076059644, -1.4076059644, -0.4076059644]);
        // mpmath: -log1p(exp(-40))
        assert!((log_softmax(&[40.0, 0.0], 2)[0] / -4.248354255291589e-18 - 1.0).abs() < 1e-12);
    }
}

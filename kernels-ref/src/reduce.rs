//! Sums and extremes. Each function takes one row of elements per output.

/// `Σ x`.
pub fn sum(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| x.iter().sum()).collect()
}

/// `1/R · Σ x`.
pub fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| x.iter().sum::<f64>() / x.len() as f64).collect()
}

/// The largest element.
pub fn max(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect()
}

/// The smallest element.
pub fn min(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| x.iter().copied().fold(f64::INFINITY, f64::min)).collect()
}

/// `Π x`.
pub fn prod(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| x.iter().product()).collect()
}

/// `m + ln Σ e^(x − m)` with `m = max x`; −∞ if every element is.
pub fn logsumexp(rows: &[Vec<f64>]) -> Vec<f64> {
    max(rows)
        .into_iter()
        .zip(rows)
        .map(|(m, x)| if m.is_infinite() { m } else { m + x.iter().map(|v| (v - m).exp()).sum::<f64>().ln() })
        .collect()
}

/// `d_y·e^(x − y)` with `y = ln Σ e^x`, both repeated to the shape of `x`; 0 where `x` is −∞.
pub fn logsumexp_backward(x: &[f64], y: &[f64], d_y: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| if x[i] == f64::NEG_INFINITY { 0.0 } else { d_y[i] * (x[i] - y[i]).exp() }).collect()
}

/// `d_y·Π_{k≠i} x_k` over rows of `c` elements.
pub fn prod_backward(x: &[f64], d_y: &[f64], c: usize) -> Vec<f64> {
    let mut d_x = vec![0.0; x.len()];
    for (r, d) in d_y.iter().enumerate() {
        let row = &x[r * c..][..c];
        let mut after = vec![1.0; c];
        for i in (0..c - 1).rev() {
            after[i] = after[i + 1] * row[i + 1];
        }
        let mut before = 1.0;
        for i in 0..c {
            d_x[r * c + i] = d * before * after[i];
            before *= row[i];
        }
    }
    d_x
}

/// `Σ (x − mean)² / (R − correction)`.
pub fn variance(rows: &[Vec<f64>], correction: f64) -> Vec<f64> {
    mean(rows)
        .into_iter()
        .zip(rows)
        .map(|(m, x)| x.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (x.len() as f64 - correction))
        .collect()
}

/// The place of the largest element, the lowest on a tie.
pub fn argmax(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best }) as f64).collect()
}

/// The place of the smallest element, the lowest on a tie.
pub fn argmin(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|x| (1..x.len()).fold(0, |best, i| if x[i] < x[best] { i } else { best }) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() <= 1e-12 * (1.0 + w.abs()), "{g} is not {w}");
        }
    }

    // numpy: x = np.array([[1., -2, 4, 4], [0.5, 0.25, -8, 3]])
    const X: [[f64; 4]; 2] = [[1.0, -2.0, 4.0, 4.0], [0.5, 0.25, -8.0, 3.0]];

    fn x() -> Vec<Vec<f64>> {
        X.iter().map(|r| r.to_vec()).collect()
    }

    #[test]
    fn sums_and_products() {
        close(&sum(&x()), &[7.0, -4.25]); // x.sum(1)
        close(&mean(&x()), &[1.75, -1.0625]); // x.mean(1)
        close(&prod(&x()), &[-32.0, -3.0]); // x.prod(1)
    }

    #[test]
    fn extremes_and_their_lowest_places() {
        close(&max(&x()), &[4.0, 3.0]); // x.max(1)
        close(&min(&x()), &[-2.0, -8.0]); // x.min(1)
        close(&argmax(&x()), &[2.0, 3.0]); // x.argmax(1)
        close(&argmin(&x()), &[1.0, 2.0]); // x.argmin(1)
    }

    #[test]
    fn logsumexp_and_variance() {
        // scipy.special.logsumexp(x, 1); x.var(1); x.var(1, ddof=1)
        close(&logsumexp(&x()), &[4.718944461094357, 3.1363034133624668]);
        close(&variance(&x(), 0.0), &[6.1875, 17.19921875]);
        close(&variance(&x(), 1.0), &[8.25, 22.932291666666668]);
        close(&logsumexp(&[vec![1e4, 1e4]]), &[1e4 + std::f64::consts::LN_2]);
        assert_eq!(logsumexp(&[vec![f64::NEG_INFINITY; 2]]), [f64::NEG_INFINITY]);
    }
}

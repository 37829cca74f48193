//! Matrix products.

use rayon::prelude::*;

/// Products of `(M,K)` by `(K,N)` matrices: product `i` reads matrix `a_at[i]` of `a` and matrix `w_at[i]` of
/// `w`, so that a caller says any broadcasting of the batch axes (`numpy.matmul`).
///
/// `y[i,m,n] = Σ_k a[a_at[i],m,k] · w[w_at[i],k,n]`
pub fn matmul(a: &[f64], a_at: &[usize], w: &[f64], w_at: &[usize], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut y = vec![0.0; a_at.len() * m * n];
    y.par_chunks_mut(n).enumerate().for_each(|(row, y)| {
        let (i, row) = (row / m, row % m);
        let a = &a[(a_at[i] * m + row) * k..][..k];
        let w = &w[w_at[i] * k * n..][..k * n];
        for (a, w) in a.iter().zip(w.chunks(n)) {
            for (y, w) in y.iter_mut().zip(w) {
                *y += a * w;
            }
        }
    });
    y
}

/// What a product does to its result before it writes it.
///
/// `y = out(activation(scale · acc + b[c]) + residual)`, with `c` the index along an axis of `channels`
/// entries whose neighbours lie `inner` apart.
pub fn epilogue(
    acc: &mut [f64],
    scale: f64,
    b: Option<&[f64]>,
    inner: usize,
    residual: Option<&[f64]>,
    activation: impl Fn(f64) -> f64 + Sync,
    out: impl Fn(f64) -> f64 + Sync,
) {
    acc.par_iter_mut().enumerate().for_each(|(i, y)| {
        let bias = b.map_or(0.0, |b| b[i / inner % b.len()]);
        *y = out(activation(scale * *y + bias) + residual.map_or(0.0, |r| r[i]));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy: np.arange(6.).reshape(2,3) @ np.arange(12.).reshape(3,4)
    #[test]
    fn one_product_is_numpys() {
        let a: Vec<f64> = (0..6).map(f64::from).collect();
        let w: Vec<f64> = (0..12).map(f64::from).collect();
        let y = matmul(&a, &[0], &w, &[0], 2, 3, 4);
        assert_eq!(y, [20.0, 23.0, 26.0, 29.0, 56.0, 68.0, 80.0, 92.0]);
    }

    // numpy: np.arange(4.).reshape(2,1,2) @ np.array([[1.,10],[100,1000]])
    #[test]
    fn a_matrix_may_be_used_twice() {
        let y = matmul(&[0.0, 1.0, 2.0, 3.0], &[0, 1], &[1.0, 10.0, 100.0, 1000.0], &[0, 0], 1, 2, 2);
        assert_eq!(y, [100.0, 1000.0, 302.0, 3020.0]);
    }

    #[test]
    fn the_epilogue_scales_adds_activates_and_adds() {
        let mut y = vec![1.0, -2.0, 3.0, -4.0];
        epilogue(&mut y, 2.0, Some(&[10.0, 0.0]), 1, Some(&[0.0, 1.0, -20.0, -1.0]), |v| v.max(0.0), |v| -v);
        // 2·1+10 → 12 → −12; 2·−2 → 0 → 1 → −1; 2·3+10 → 16 − 20 → 4; 2·−4 → 0 − 1 → 1
        assert_eq!(y, [-12.0, -1.0, 4.0, 1.0]);
    }

    #[test]
    fn a_bias_may_run_along_another_axis() {
        let mut y = vec![0.0; 6];
        epilogue(&mut y, 1.0, Some(&[1.0, 2.0, 3.0]), 2, None, |v| v, |v| v);
        assert_eq!(y, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    }
}

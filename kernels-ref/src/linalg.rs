//! Factors of symmetric positive definite matrices, and triangular systems. Matrices stand one after the other.

use rayon::prelude::*;

/// The lower triangle `l` with `l·lᵀ = a`, of matrices of `n` rows, and for each 0 or the number, from 1, of the first
/// pivot that is not above 0 (Golub, Van Loan 2013, 4.2.5; LAPACK's `spotrf`). From that pivot's column on, `l` is NaN
/// on and below the diagonal. Only the lower triangle of `a` is read.
pub fn cholesky(a: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let factor = |a: &[f64]| {
        let (mut l, mut info) = (vec![0.0; n * n], 0);
        for j in 0..n {
            for i in j..n {
                let mut s = a[i * n + j];
                for k in 0..j {
                    s -= l[i * n + k] * l[j * n + k];
                }
                if i == j && info == 0 && (s.is_nan() || s <= 0.0) {
                    info = j + 1;
                }
                l[i * n + j] = match info {
                    0 if i == j => s.sqrt(),
                    0 => s / l[j * n + j],
                    _ => f64::NAN,
                };
            }
        }
        (l, info as f64)
    };
    let (l, info): (Vec<_>, Vec<_>) = a.par_chunks(n * n).map(factor).unzip();
    (l.concat(), info)
}

/// `x` of `l·x = b`, or of `lᵀ·x = b`, for lower triangles `l` of `n` rows and `k` columns of `b` each: forward or back
/// substitution (Golub, Van Loan 2013, 3.1.1, 3.1.2).
pub fn solve_triangular(l: &[f64], b: &[f64], [n, k]: [usize; 2], transposed: bool) -> Vec<f64> {
    let solve = |(l, b): (&[f64], &[f64])| {
        let mut x = b.to_vec();
        for c in 0..k {
            for step in 0..n {
                let i = if transposed { n - 1 - step } else { step };
                let others = if transposed { i + 1..n } else { 0..i };
                let mut s = b[i * k + c];
                for j in others {
                    s -= if transposed { l[j * n + i] } else { l[i * n + j] } * x[j * k + c];
                }
                x[i * k + c] = s / l[i * n + i];
            }
        }
        x
    };
    l.par_chunks(n * n).zip(b.par_chunks(n * k)).flat_map_iter(solve).collect()
}

//! Normalisations over rows, groups and channels.

use rayon::prelude::*;

/// Layer normalisation over rows of `c` elements (Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 3–4).
/// Returns `y`, `mean` and `rstd`.
pub fn layer_norm(
    x: &[f64],
    w: Option<&[f64]>,
    b: Option<&[f64]>,
    c: usize,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut y = vec![0.0; x.len()];
    let stats: Vec<(f64, f64)> = y
        .par_chunks_mut(c)
        .zip(x.par_chunks(c))
        .map(|(y, x)| {
            let mean = x.iter().sum::<f64>() / c as f64;
            let var = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / c as f64;
            let rstd = 1.0 / (var + eps).sqrt();
            for i in 0..c {
                y[i] = (x[i] - mean) * rstd * w.map_or(1.0, |w| w[i]) + b.map_or(0.0, |b| b[i]);
            }
            (mean, rstd)
        })
        .collect();
    let (mean, rstd) = stats.into_iter().unzip();
    (y, mean, rstd)
}

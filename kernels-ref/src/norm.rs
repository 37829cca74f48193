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

/// Root-mean-square normalisation over rows of `c` elements (Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4).
/// Returns `y` and `rstd`.
pub fn rms_norm(x: &[f64], w: Option<&[f64]>, c: usize, eps: f64) -> (Vec<f64>, Vec<f64>) {
    let mut y = vec![0.0; x.len()];
    let rstd = y
        .par_chunks_mut(c)
        .zip(x.par_chunks(c))
        .map(|(y, x)| {
            let square = x.iter().map(|v| v * v).sum::<f64>() / c as f64;
            let rstd = 1.0 / (square + eps).sqrt();
            for i in 0..c {
                y[i] = x[i] * rstd * w.map_or(1.0, |w| w[i]);
            }
            rstd
        })
        .collect();
    (y, rstd)
}

/// Group normalisation of `x (B, C, S)` with `groups` groups of channels (Wu, He 2018, arXiv:1803.08494,
/// eq. 1, 2, 7). Returns `y`, `mean (B, G)` and `rstd (B, G)`.
pub fn group_norm(
    x: &[f64],
    w: Option<&[f64]>,
    b: Option<&[f64]>,
    channels: usize,
    space: usize,
    groups: usize,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let per_group = channels / groups;
    let n = per_group * space;
    let mut y = vec![0.0; x.len()];
    let stats: Vec<(f64, f64)> = y
        .par_chunks_mut(n)
        .zip(x.par_chunks(n))
        .enumerate()
        .map(|(row, (y, x))| {
            let mean = x.iter().sum::<f64>() / n as f64;
            let var = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64;
            let rstd = 1.0 / (var + eps).sqrt();
            for k in 0..per_group {
                let channel = row % groups * per_group + k;
                for s in 0..space {
                    let i = k * space + s;
                    y[i] = (x[i] - mean) * rstd * w.map_or(1.0, |w| w[channel]) + b.map_or(0.0, |b| b[channel]);
                }
            }
            (mean, rstd)
        })
        .collect();
    let (mean, rstd) = stats.into_iter().unzip();
    (y, mean, rstd)
}

/// Instance normalisation of `x (B, C, S)`: every channel of every sample by its own statistics (Ulyanov,
/// Vedaldi, Lempitsky 2016, arXiv:1607.08022, eq. 4). Returns `y`, `mean (B, C)` and `rstd (B, C)`.
pub fn instance_norm(
    x: &[f64],
    w: Option<&[f64]>,
    b: Option<&[f64]>,
    channels: usize,
    space: usize,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    group_norm(x, w, b, channels, space, channels, eps)
}

/// Batch normalisation of `x (B, C, S)` by given statistics of each channel (Ioffe, Szegedy 2015,
/// arXiv:1502.03167, algorithm 2).
pub fn batch_norm(
    x: &[f64],
    mean: &[f64],
    var: &[f64],
    w: Option<&[f64]>,
    b: Option<&[f64]>,
    space: usize,
    eps: f64,
) -> Vec<f64> {
    let channels = mean.len();
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(space).zip(x.par_chunks(space)).enumerate().for_each(|(plane, (y, x))| {
        let c = plane % channels;
        let rstd = 1.0 / (var[c] + eps).sqrt();
        for s in 0..space {
            y[s] = (x[s] - mean[c]) * rstd * w.map_or(1.0, |w| w[c]) + b.map_or(0.0, |b| b[c]);
        }
    });
    y
}

/// Batch normalisation of `x (B, C, S)` by the statistics of the batch (Ioffe, Szegedy 2015, arXiv:1502.03167,
/// algorithm 1). Returns `y`, and `mean`, biased `variance` and `rstd` of each channel.
pub fn batch_norm_train(
    x: &[f64],
    w: Option<&[f64]>,
    b: Option<&[f64]>,
    channels: usize,
    space: usize,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) {
    let batch = x.len() / channels / space;
    let n = (batch * space) as f64;
    let mut y = vec![0.0; x.len()];
    let (mut mean, mut variance, mut rstd) = (vec![0.0; channels], vec![0.0; channels], vec![0.0; channels]);
    for c in 0..channels {
        for k in 0..batch {
            mean[c] += x[(k * channels + c) * space..][..space].iter().sum::<f64>() / n;
        }
        for k in 0..batch {
            let plane = &x[(k * channels + c) * space..][..space];
            variance[c] += plane.iter().map(|v| (v - mean[c]) * (v - mean[c])).sum::<f64>() / n;
        }
        rstd[c] = 1.0 / (variance[c] + eps).sqrt();
        for k in 0..batch {
            for i in (k * channels + c) * space..(k * channels + c + 1) * space {
                y[i] = (x[i] - mean[c]) * rstd[c] * w.map_or(1.0, |w| w[c]) + b.map_or(0.0, |b| b[c]);
            }
        }
    }
    (y, mean, variance, rstd)
}

/// A running average moved towards a batch's statistic (Ioffe, Szegedy 2015, section 3.1).
pub fn running_update(running: &[f64], batch: &[f64], momentum: f64, scale: f64) -> Vec<f64> {
    running.iter().zip(batch).map(|(r, v)| (1.0 - momentum) * r + momentum * scale * v).collect()
}

/// The gradient of [`layer_norm`] with respect to `x`: Ba, Kiros, Hinton 2016, eq. 3–4, by the chain rule through the
/// mean and the deviation of each row.
pub fn layer_norm_backward(
    x: &[f64],
    w: Option<&[f64]>,
    d_y: &[f64],
    mean: &[f64],
    rstd: &[f64],
    c: usize,
) -> Vec<f64> {
    let mut d_x = vec![0.0; x.len()];
    for (row, d_x) in d_x.chunks_mut(c).enumerate() {
        let (x, d_y) = (&x[row * c..][..c], &d_y[row * c..][..c]);
        let g = |i: usize| d_y[i] * w.map_or(1.0, |w| w[i]);
        normal_backward(x, g, mean[row], rstd[row], d_x);
    }
    d_x
}

/// `d_x` of a row that was given mean 0 and deviation 1, where `g(i)` is the gradient of its element `i`.
fn normal_backward(x: &[f64], g: impl Fn(usize) -> f64, mean: f64, rstd: f64, d_x: &mut [f64]) {
    let n = x.len() as f64;
    let normal = |i: usize| (x[i] - mean) * rstd;
    let sum: f64 = (0..x.len()).map(&g).sum();
    let dot: f64 = (0..x.len()).map(|i| g(i) * normal(i)).sum();
    for i in 0..x.len() {
        d_x[i] = rstd * (g(i) - sum / n - normal(i) * dot / n);
    }
}

/// The gradients of [`layer_norm`] with respect to `w` and `b` (Ba, Kiros, Hinton 2016, eq. 4).
pub fn layer_norm_backward_w(x: &[f64], d_y: &[f64], mean: &[f64], rstd: &[f64], c: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut d_w, mut d_b) = (vec![0.0; c], vec![0.0; c]);
    for row in 0..x.len() / c {
        for i in 0..c {
            d_w[i] += d_y[row * c + i] * (x[row * c + i] - mean[row]) * rstd[row];
            d_b[i] += d_y[row * c + i];
        }
    }
    (d_w, d_b)
}

/// The gradient of [`rms_norm`] with respect to `x`: Zhang, Sennrich 2019, eq. 4, by the chain rule through the root
/// mean square of each row.
pub fn rms_norm_backward(x: &[f64], w: Option<&[f64]>, d_y: &[f64], rstd: &[f64], c: usize) -> Vec<f64> {
    let mut d_x = vec![0.0; x.len()];
    for (row, d_x) in d_x.chunks_mut(c).enumerate() {
        let (x, d_y, r) = (&x[row * c..][..c], &d_y[row * c..][..c], rstd[row]);
        let g = |i: usize| d_y[i] * w.map_or(1.0, |w| w[i]);
        let dot: f64 = (0..c).map(|i| g(i) * x[i] * r).sum();
        for i in 0..c {
            d_x[i] = r * (g(i) - x[i] * r * dot / c as f64);
        }
    }
    d_x
}

/// The gradient of [`rms_norm`] with respect to `w` (Zhang, Sennrich 2019, eq. 4).
pub fn rms_norm_backward_w(x: &[f64], d_y: &[f64], rstd: &[f64], c: usize) -> Vec<f64> {
    let mut d_w = vec![0.0; c];
    for row in 0..x.len() / c {
        for i in 0..c {
            d_w[i] += d_y[row * c + i] * x[row * c + i] * rstd[row];
        }
    }
    d_w
}

/// The gradients of [`group_norm`] with respect to `w` and `b` of every sample: `(B, C, 2)` (Wu, He 2018, eq. 2).
pub fn group_norm_backward_w(
    x: &[f64],
    d_y: &[f64],
    mean: &[f64],
    rstd: &[f64],
    channels: usize,
    space: usize,
    groups: usize,
) -> Vec<f64> {
    let mut d_wb = vec![];
    for plane in 0..x.len() / space {
        let (sample, c) = (plane / channels, plane % channels);
        let row = sample * groups + c / (channels / groups);
        let (mut d_w, mut d_b) = (0.0, 0.0);
        for i in plane * space..(plane + 1) * space {
            d_w += d_y[i] * (x[i] - mean[row]) * rstd[row];
            d_b += d_y[i];
        }
        d_wb.extend([d_w, d_b]);
    }
    d_wb
}

/// The gradient of [`group_norm`] with respect to `x`, given its `statistics` (mean and rstd) and `d_wb` of
/// [`group_norm_backward_w`]: Wu, He 2018, eq. 1, 2, 7, by the chain rule through the statistics of each group.
#[allow(clippy::too_many_arguments)]
pub fn group_norm_backward(
    x: &[f64],
    w: Option<&[f64]>,
    d_y: &[f64],
    statistics: (&[f64], &[f64]),
    d_wb: &[f64],
    channels: usize,
    space: usize,
    groups: usize,
) -> Vec<f64> {
    let per_group = channels / groups;
    let n = per_group * space;
    let (mean, rstd) = statistics;
    let weight = |c: usize| w.map_or(1.0, |w| w[c]);
    let mut d_x = vec![0.0; x.len()];
    for row in 0..x.len() / n {
        let first = row % groups * per_group;
        let (mut dot, mut sum) = (0.0, 0.0);
        for k in 0..per_group {
            dot += weight(first + k) * d_wb[2 * (row * per_group + k)];
            sum += weight(first + k) * d_wb[2 * (row * per_group + k) + 1];
        }
        for i in 0..n {
            let (at, g) = (row * n + i, d_y[row * n + i] * weight(first + i / space));
            let normal = (x[at] - mean[row]) * rstd[row];
            d_x[at] = rstd[row] * (g - (sum + normal * dot) / n as f64);
        }
    }
    d_x
}

/// The gradient of [`batch_norm_train`] with respect to `x`, given its `statistics` (mean and rstd) and the gradients
/// `sums` of `w` and `b` (Ioffe, Szegedy 2015, section 3).
pub fn batch_norm_train_backward(
    x: &[f64],
    w: Option<&[f64]>,
    d_y: &[f64],
    statistics: (&[f64], &[f64]),
    sums: (&[f64], &[f64]),
    space: usize,
) -> Vec<f64> {
    let ((mean, rstd), (d_w, d_b)) = (statistics, sums);
    let channels = mean.len();
    let n = (x.len() / channels) as f64;
    let mut d_x = vec![0.0; x.len()];
    for i in 0..x.len() {
        let c = i / space % channels;
        let normal = (x[i] - mean[c]) * rstd[c];
        d_x[i] = w.map_or(1.0, |w| w[c]) * rstd[c] * (d_y[i] - d_b[c] / n - normal * d_w[c] / n);
    }
    d_x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-7, "{got:?} is not {want:?}");
        }
    }

    // x=np.array([1.,2,4]); (x-x.mean())/np.sqrt(x.var()+1e-5)
    #[test]
    fn layer_norm_of_three() {
        let (y, mean, rstd) = layer_norm(&[1.0, 2.0, 4.0], None, Some(&[1.0, 0.0, 0.0]), 3, 1e-5);
        close(&y, &[-0.069041573, -0.267260393, 1.336301966]);
        close(&mean, &[7.0 / 3.0]);
        close(&rstd, &[0.801781180]);
    }

    // x=np.array([3.,4]); x/np.sqrt((x*x).mean())*[1,2]
    #[test]
    fn rms_norm_of_two() {
        let (y, rstd) = rms_norm(&[3.0, 4.0], Some(&[1.0, 2.0]), 2, 0.0);
        close(&y, &[0.848528137, 2.262741700]);
        close(&rstd, &[0.282842712]);
    }

    // Two samples, four channels, two groups, one position: pairs are normalised to ±1.
    #[test]
    fn group_norm_of_pairs() {
        let x = [1.0, 3.0, 10.0, 20.0, 0.0, 2.0, -5.0, 5.0];
        let (y, mean, rstd) = group_norm(&x, Some(&[1.0, 2.0, 3.0, 4.0]), Some(&[0.0, 0.0, 0.0, 1.0]), 4, 1, 2, 0.0);
        close(&y, &[-1.0, 2.0, -3.0, 5.0, -1.0, 2.0, -3.0, 5.0]);
        close(&mean, &[2.0, 15.0, 1.0, 0.0]);
        close(&rstd, &[1.0, 0.2, 1.0, 0.2]);
    }

    #[test]
    fn instance_norm_of_pairs() {
        let (y, mean, _) = instance_norm(&[1.0, 3.0, 10.0, 20.0], Some(&[1.0, 2.0]), None, 2, 2, 0.0);
        close(&y, &[-1.0, 1.0, -2.0, 2.0]);
        close(&mean, &[2.0, 15.0]);
    }

    #[test]
    fn batch_norm_uses_the_given_statistics() {
        let y =
            batch_norm(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0], &[4.0, 0.25], Some(&[1.0, 3.0]), Some(&[0.5, 0.0]), 2, 0.0);
        close(&y, &[0.5, 1.0, 6.0, 12.0]);
    }
}

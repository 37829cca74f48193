//! Losses, as compositions of kernels: each a mean or a sum of means, a tensor of no axes. Sums over features, means
//! over rows, and which is which, are those of the source that is named; targets are constants.

use std::f64::consts::TAU;

use crate::graph::{Graph, Tensor};
use crate::models::feedforward::mixture_density_network;
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};

/// `ln(1 + e^x)`, at every `x`: PyTorch's threshold is not that of a loss.
fn softplus(x: Tensor<'_>) -> Tensor<'_> {
    x.softplus(1.0, f64::from(f32::MAX))
}

fn mean(x: Tensor<'_>) -> Tensor<'_> {
    x.mean(&[], false)
}

/// The mean over rows of what is added up over the last axis.
fn rows_mean(x: Tensor<'_>) -> Tensor<'_> {
    mean(x.sum(&[-1], false))
}

/// The two halves of the last axis: means, then log variances.
///
/// # Shapes
/// `o (…, 2·D)` → 2 × `(…, D)`
/// # Errors
/// [`crate::Error::Graph`] if the last axis is odd
#[track_caller]
pub fn halves(o: Tensor<'_>) -> [Tensor<'_>; 2] {
    let d = o.shape().last().copied().unwrap_or(0) / 2;
    o.split(-1, [d, d])
}

/// The mean squared error: the mean of `(o − y)²`.
///
/// # Shapes
/// `o`, `y` of one shape → `()`
/// # Gradient
/// `o`, `y`
/// # Source
/// PyTorch `F.mse_loss`
#[track_caller]
pub fn mse<'g>(o: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
    mean((o - y).square())
}

/// The error of a diffusion model that predicts the noise: [`mse`].
///
/// # Shapes
/// `predicted`, `noise` of one shape → `()`
/// # Gradient
/// `predicted`
/// # Source
/// Ho, Jain, Abbeel 2020, arXiv:2006.11239, eq. 14
#[track_caller]
pub fn noise_prediction<'g>(predicted: Tensor<'g>, noise: Tensor<'g>) -> Tensor<'g> {
    mse(predicted, noise)
}

/// The mean absolute error: the mean of `|o − y|`.
///
/// # Shapes
/// `o`, `y` of one shape → `()`
/// # Gradient
/// `o`, `y`; 0 where they are equal
/// # Source
/// PyTorch `F.l1_loss`
#[track_caller]
pub fn l1<'g>(o: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
    mean((o - y).abs())
}

/// The mean of `e²/2` where `e = |o − y| ≤ delta`, else `delta·(e − delta/2)`.
///
/// # Shapes
/// `o`, `y` of one shape → `()`
/// # Gradient
/// `o`, `y`
/// # Source
/// Huber 1964 · PyTorch `F.huber_loss`
#[track_caller]
pub fn huber<'g>(o: Tensor<'g>, y: Tensor<'g>, delta: f64) -> Tensor<'g> {
    mean(o.huber(y, delta))
}

/// What [`cross_entropy`] and [`nll`] may be told.
#[derive(Clone, Copy, Default)]
pub struct Classes<'g> {
    /// How much of the target is spread over all classes.
    pub label_smoothing: f64,
    /// Rows with this target do not count.
    pub ignore_index: Option<i32>,
    /// A weight of each class, `(C)`.
    pub weight: Option<Tensor<'g>>,
}

/// The weighted mean of `−(1 − e)·w[y]·p[y] − e/C·Σ_c w[c]·p[c]` over rows, with `p = log_softmax(logits)`: the sum over
/// the sum of `w[y]`. Rows whose target is `ignore_index` do not count; one at least must.
///
/// # Shapes
/// `logits (…, C)` · `target (…)` i32 → `()`
/// # Units
/// targets in 0..C, or `ignore_index`; the host checks before
/// # Errors
/// [`crate::Error::Graph`] if the shapes do not fit
/// # Gradient
/// `logits`
/// # Source
/// PyTorch `F.cross_entropy`; Szegedy et al. 2015, arXiv:1512.00567, section 7 (label smoothing)
#[track_caller]
pub fn cross_entropy<'g>(logits: Tensor<'g>, target: Tensor<'g>, classes: Classes<'g>) -> Tensor<'g> {
    let ignored = i64::from(classes.ignore_index.unwrap_or(NOTHING));
    let rows = logits.cross_entropy(target, classes.weight, classes.label_smoothing, ignored);
    rows.loss.sum(&[], false) / rows.weight.sum(&[], false)
}

/// No class: an `ignore_index` that leaves out no row.
const NOTHING: i32 = i32::MIN;

/// [`cross_entropy`] of logarithms of probabilities.
///
/// # Shapes
/// `log_p (…, C)` · `target (…)` i32 → `()`
/// # Units
/// targets in 0..C, or `ignore_index`; the host checks before
/// # Errors
/// [`crate::Error::Graph`] if the shapes do not fit
/// # Gradient
/// `log_p`
/// # Source
/// PyTorch `F.nll_loss`
#[track_caller]
pub fn nll<'g>(log_p: Tensor<'g>, target: Tensor<'g>, classes: Classes<'g>) -> Tensor<'g> {
    let g = log_p.graph();
    let (shape, ids) = (log_p.shape(), target.shape());
    if shape.is_empty() || shape[..shape.len() - 1] != ids {
        g.reject("nll", format!("target {} does not fit {}", Dims(&ids), Dims(&shape)));
        return g.scalar(0.0);
    }
    let (r, c) = (ids.iter().product::<usize>(), shape[shape.len() - 1]);
    let (log_p, ids) = (log_p.reshape(&[r, c]), target.reshape(&[r, 1]));
    let keep = classes.ignore_index.map(|index| {
        ids.compare("ne", g.constant(HostTensor::i32(&[], vec![index]))).cast(Dtype::F32) // (R, 1)
    });
    let of_row = classes.weight.map(|w| w.broadcast_to(&[r, c]).gather(-1, ids)); // (R, 1)
    let rows = match (keep, of_row) {
        (Some(keep), Some(w)) => Some(keep * w),
        (keep, w) => keep.or(w),
    };
    let counted = |x: Tensor<'g>, rows: Option<Tensor<'g>>| rows.map_or(x, |rows| x * rows).sum(&[], false);
    let mut total = counted(log_p.gather(-1, ids), rows) * -(1.0 - classes.label_smoothing);
    if classes.label_smoothing != 0.0 {
        let all = classes.weight.map_or(log_p, |w| log_p * w).sum(&[-1], true); // (R, 1)
        total = total + counted(all, keep) * (-classes.label_smoothing / c as f64);
    }
    match rows {
        Some(rows) => total / rows.sum(&[], false),
        None => total * (1.0 / r as f64),
    }
}

/// The mean of `ln(1 + e^o) − o·y`.
///
/// # Shapes
/// `o`, `y` of one shape → `()`
/// # Units
/// `o` logits, `y` probabilities
/// # Gradient
/// `o`, `y`
/// # Source
/// PyTorch `F.binary_cross_entropy_with_logits`
#[track_caller]
pub fn binary_cross_entropy_with_logits<'g>(o: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
    mean(o.bce_with_logits(y))
}

/// The mean of `(logvar + (y − mu)²·e^(−logvar))/2`, and `ln(2π)/2` if `full`.
///
/// # Shapes
/// `mu`, `logvar`, `y` of one shape → `()`
/// # Gradient
/// `mu`, `logvar`, `y`
/// # Source
/// Nix, Weigend 1994 · PyTorch `F.gaussian_nll_loss`, of log variances and without its floor
#[track_caller]
pub fn gaussian_nll<'g>(mu: Tensor<'g>, logvar: Tensor<'g>, y: Tensor<'g>, full: bool) -> Tensor<'g> {
    let half = mean(logvar + (y - mu).square() * (-logvar).exp()) * 0.5;
    if full { half + 0.5 * TAU.ln() } else { half }
}

/// The mean of `max(0, margin − y·o)`.
///
/// # Shapes
/// `o`, `y` of one shape → `()`
/// # Units
/// `y` −1 or 1
/// # Gradient
/// `o`; 0 at the corner
/// # Source
/// Cortes, Vapnik 1995
#[track_caller]
pub fn hinge<'g>(o: Tensor<'g>, y: Tensor<'g>, margin: f64) -> Tensor<'g> {
    mean((margin - y * o).relu())
}

/// The mean over rows of `Σ max(0, −y·s)`: how far scores `s` lie on the wrong side.
///
/// It is made as `½·(p − y)·s`, with `p` the side that a score is on, +1 where `s ≥ 0`. So its gradient is `½·(p − y)` at
/// `s = 0` too, and a step of `sgd` with lr 1 on one row is Rosenblatt's rule: `w ← w + y·x` where `p` is wrong.
///
/// # Shapes
/// `s`, `y (…, O)` → `()`
/// # Units
/// `y` −1 or 1
/// # Gradient
/// `s`
/// # Source
/// Rosenblatt 1958; Novikoff 1962
#[track_caller]
pub fn perceptron<'g>(s: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
    let g = s.graph();
    let side = s.compare("ge", g.scalar(0.0)).r#where(g.scalar(1.0), g.scalar(-1.0)).stop_gradient();
    rows_mean((side - y) * s) * 0.5
}

/// The mean over rows of `1/C·Σ_{c ≠ y} max(0, margin − o[y] + o[c])`.
///
/// # Shapes
/// `o (B, C)` · `target (B)` i32 → `()`
/// # Units
/// targets in 0..C
/// # Errors
/// [`crate::Error::Graph`] if the shapes do not fit
/// # Gradient
/// `o`; 0 at the corners
/// # Source
/// Crammer, Singer 2001 · PyTorch `F.multi_margin_loss`
#[track_caller]
pub fn multi_margin<'g>(o: Tensor<'g>, target: Tensor<'g>, margin: f64) -> Tensor<'g> {
    let [b, c] = o.dims();
    let own = o.gather(-1, target.reshape(&[b, 1])); // (B, 1)
    let others = 1.0 - target.reshape(&[b]).one_hot(c); // (B, C)
    mean((o - own + margin).relu() * others)
}

/// The mean over rows of `−½·Σ_d (1 + logvar − mu² − e^logvar)`: the divergence of Gaussians from the standard one.
///
/// # Shapes
/// `mu`, `logvar (…, D)` → `()`
/// # Gradient
/// `mu`, `logvar`
/// # Source
/// Kingma, Welling 2013, arXiv:1312.6114, appendix B
#[track_caller]
pub fn kl_standard_normal<'g>(mu: Tensor<'g>, logvar: Tensor<'g>) -> Tensor<'g> {
    rows_mean(mu.square() + logvar.exp() - logvar - 1.0) * 0.5
}

/// The mean over rows of `KL(p ‖ q) = ½·Σ_d (lq − lp + (e^lp + (mp − mq)²)/e^lq − 1)`, of Gaussians with means `m` and
/// log variances `l`.
///
/// # Shapes
/// all `(…, D)` → `()`
/// # Gradient
/// all
/// # Source
/// Kullback, Leibler 1951, for Gaussians with diagonal covariances
#[track_caller]
pub fn kl_gaussians<'g>([mp, lp]: [Tensor<'g>; 2], [mq, lq]: [Tensor<'g>; 2]) -> Tensor<'g> {
    let ratio = lp - lq;
    rows_mean(ratio.exp() - ratio + (mp - mq).square() * (-lq).exp() - 1.0) * 0.5
}

/// The mean over rows of `KL(p ‖ q) = Σ_c p·(ln p − log_q)`; a `p` of 0 adds 0.
///
/// # Shapes
/// `p`, `log_q (…, C)` → `()`
/// # Units
/// `p` probabilities, `log_q` logarithms of them
/// # Gradient
/// `p`, `log_q`
/// # Source
/// Kullback, Leibler 1951 · PyTorch `F.kl_div(log_q, p, reduction="batchmean")`
#[track_caller]
pub fn kl_divergence<'g>(p: Tensor<'g>, log_q: Tensor<'g>) -> Tensor<'g> {
    let floor = p.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
    rows_mean(p * (floor.log() - log_q))
}

/// The mean over pairs of `1 − cos(a, b)` where `y` is 1, and `max(0, cos(a, b) − margin)` where it is −1.
///
/// # Shapes
/// `a`, `b (B, D)` · `y (B)` f32 → `()`
/// # Units
/// `y` −1 or 1
/// # Gradient
/// `a`, `b`
/// # Source
/// PyTorch `F.cosine_embedding_loss`, whose 1e-12 is added to both squared norms
#[track_caller]
pub fn cosine_embedding<'g>(a: Tensor<'g>, b: Tensor<'g>, y: Tensor<'g>, margin: f64) -> Tensor<'g> {
    let sum = |x: Tensor<'g>| x.sum(&[-1], false); // (B)
    let length = |x: Tensor<'g>| (sum(x.square()) + 1e-12).sqrt();
    let cos = sum(a * b) / (length(a) * length(b));
    let alike = (y + 1.0) * 0.5;
    mean(alike * (1.0 - cos) + (1.0 - alike) * (cos - margin).relu())
}

/// The mean of two cross entropies: which image belongs to a text, and which text to an image. Pair `i` is row `i` and
/// column `i`.
///
/// # Shapes
/// `logits (N, N)` → `()`
/// # Units
/// similarities of texts, in rows, with images, divided by a temperature
/// # Errors
/// [`crate::Error::Graph`] if there are not as many texts as images
/// # Gradient
/// `logits`
/// # Source
/// Radford et al. 2021, arXiv:2103.00020, figure 3 · transformers `clip_loss`
#[track_caller]
pub fn contrastive<'g>(logits: Tensor<'g>) -> Tensor<'g> {
    let g = logits.graph();
    let &[n, images] = logits.shape().as_slice() else {
        g.reject("contrastive", format!("logits are {}, expected (N, N)", Dims(&logits.shape())));
        return g.scalar(0.0);
    };
    if n != images {
        g.reject("contrastive", format!("{n} texts and {images} images are not pairs"));
        return g.scalar(0.0);
    }
    let own = g.constant(HostTensor::i32(&[n], (0..n as i32).collect()));
    let [of_text, of_image] =
        [logits, logits.transpose(0, 1)].map(|logits| cross_entropy(logits, own, Classes::default()));
    (of_text + of_image) * 0.5
}

/// The mean over rows of `−ln Σ_k softmax(pi)_k·Π_d N(y_d; mu_kd, e^log_sigma_k)`.
///
/// # Shapes
/// `pi`, `log_sigma (B, K)` · `mu (B, K, D)` · `y (B, D)` → `()`
/// # Units
/// `pi` logits, `log_sigma` logarithms of standard deviations
/// # Errors
/// [`crate::Error::Graph`] if the shapes do not fit
/// # Gradient
/// all
/// # Source
/// Bishop 1994, "Mixture density networks", NCRG/94/004, eq. 22–29
#[track_caller]
pub fn mdn_nll<'g>(pi: Tensor<'g>, mu: Tensor<'g>, log_sigma: Tensor<'g>, y: Tensor<'g>) -> Tensor<'g> {
    mean(mixture_density_network::nll(pi.log_softmax(-1), mu, log_sigma, y))
}

/// The mean over rows of `ln(1 + e^(−positive)) + Σ_k ln(1 + e^(negative_k))`.
///
/// # Shapes
/// `positive (B)` · `negative (B, K)` → `()`
/// # Units
/// scores: products of two embeddings
/// # Gradient
/// both
/// # Source
/// Mikolov et al. 2013, arXiv:1310.4546, eq. 4
#[track_caller]
pub fn negative_sampling<'g>(positive: Tensor<'g>, negative: Tensor<'g>) -> Tensor<'g> {
    mean(softplus(-positive) + softplus(negative).sum(&[-1], false))
}

/// How [`vae`] compares what was decoded with the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconstruction {
    /// `ln(1 + e^o) − o·x`, of logits.
    Bce,
    /// `(o − x)²`
    Mse,
}

/// The loss of a variational autoencoder, and its parts.
pub struct Vae<'g> {
    /// `reconstruction + beta·kl`
    pub total: Tensor<'g>,
    /// Summed over features, mean over rows.
    pub reconstruction: Tensor<'g>,
    /// [`kl_standard_normal`] of the latent.
    pub kl: Tensor<'g>,
}

/// The loss of a variational autoencoder: reconstruction, summed over features, and `beta` times the divergence of the
/// latent from the standard normal.
///
/// # Shapes
/// `o`, `x (B, …)` · `mu`, `logvar (B, D)` → three `()`
/// # Gradient
/// `o`, `mu`, `logvar`
/// # Source
/// Kingma, Welling 2013, arXiv:1312.6114, eq. 10; Higgins et al. 2017 (beta)
#[track_caller]
pub fn vae<'g>(
    o: Tensor<'g>,
    x: Tensor<'g>,
    mu: Tensor<'g>,
    logvar: Tensor<'g>,
    kind: Reconstruction,
    beta: f64,
) -> Vae<'g> {
    let rows = o.shape().first().copied().unwrap_or(1);
    let error = match kind {
        Reconstruction::Bce => o.bce_with_logits(x),
        Reconstruction::Mse => (o - x).square(),
    };
    let reconstruction = error.sum(&[], false) * (1.0 / rows as f64);
    let kl = kl_standard_normal(mu, logvar);
    Vae { total: reconstruction + kl * beta, reconstruction, kl }
}

/// `coefficient·Σ_w Σ |w|` over all elements of `weights`; 0 of none.
///
/// # Shapes
/// any → `()`
/// # Gradient
/// `sign(w)`, 0 at 0
/// # Source
/// Tibshirani 1996
#[track_caller]
pub fn l1_penalty<'g>(graph: &'g Graph, weights: &[Tensor<'g>], coefficient: f64) -> Tensor<'g> {
    penalty(graph, weights.iter().map(|w| w.abs()), coefficient)
}

/// `coefficient·Σ_w Σ w²` over all elements of `weights`; 0 of none.
///
/// # Shapes
/// any → `()`
/// # Gradient
/// `2·w`
/// # Source
/// Hoerl, Kennard 1970
#[track_caller]
pub fn l2_penalty<'g>(graph: &'g Graph, weights: &[Tensor<'g>], coefficient: f64) -> Tensor<'g> {
    penalty(graph, weights.iter().map(|w| w.square()), coefficient)
}

fn penalty<'g>(graph: &'g Graph, terms: impl Iterator<Item = Tensor<'g>>, coefficient: f64) -> Tensor<'g> {
    let total = terms.map(|t| t.sum(&[], false)).reduce(|sum, t| sum + t);
    total.map_or_else(|| graph.scalar(0.0), |sum| sum * coefficient)
}

#[cfg(test)]
mod tests;

//! Updates of weights and of other states.

/// `x`, and `keep` times the state before, unless `keep` is 0.
pub fn accumulate(state: &[f64], x: &[f64], keep: f64) -> Vec<f64> {
    state.iter().zip(x).map(|(s, x)| if keep == 0.0 { *x } else { keep * s + x }).collect()
}

/// What an update takes as the gradient: `d_w` times `scale`, clipped by value to ±`clip`, and, where the decay is
/// coupled, `decay·w`, with one number of `decay` for every 64 elements.
pub fn gradient(w: &[f64], d_w: &[f64], scale: Option<f64>, clip: f64, decay: Option<&[f64]>) -> Vec<f64> {
    let one = |i: usize| {
        let g = (scale.unwrap_or(1.0) * d_w[i]).max(-clip).min(clip);
        g + decay.map_or(0.0, |decay| decay[i / 64] * w[i])
    };
    (0..w.len()).map(one).collect()
}

/// Stochastic gradient descent (Robbins, Monro 1951): `w − lr·g`.
pub fn sgd(w: &[f64], g: &[f64], lr: f64) -> Vec<f64> {
    w.iter().zip(g).map(|(w, g)| w - lr * g).collect()
}

/// Momentum (Polyak 1964; Sutskever et al. 2013), as PyTorch's SGD: `v ← m·v + take·g`, `w − lr·(by_g·g + by_v·v)`.
/// Returns `w` and `v`.
pub fn momentum(w: &[f64], v: &[f64], g: &[f64], lr: f64, m: f64, take: f64, by: [f64; 2]) -> [Vec<f64>; 2] {
    let v: Vec<f64> = v.iter().zip(g).map(|(v, g)| m * v + take * g).collect();
    let d: Vec<f64> = v.iter().zip(g).map(|(v, g)| by[0] * g + by[1] * v).collect();
    [sgd(w, &d, lr), v]
}

/// Adagrad (Duchi, Hazan, Singer 2011). Returns `w` and the sum of squares `a`.
pub fn adagrad(w: &[f64], a: &[f64], g: &[f64], rate: f64, eps: f64) -> [Vec<f64>; 2] {
    let a: Vec<f64> = a.iter().zip(g).map(|(a, g)| a + g * g).collect();
    let d: Vec<f64> = a.iter().zip(g).map(|(a, g)| g / (a.sqrt() + eps)).collect();
    [sgd(w, &d, rate), a]
}

/// `keep·x + take·y`, with `[keep, take]` the factors of a running average.
fn average(x: &[f64], y: impl Fn(usize) -> f64, by: [f64; 2]) -> Vec<f64> {
    x.iter().enumerate().map(|(i, x)| by[0] * x + by[1] * y(i)).collect()
}

/// RMSprop (Hinton 2012). Returns `w` and `v`.
pub fn rmsprop(w: &[f64], v: &[f64], g: &[f64], lr: f64, alpha: [f64; 2], eps: f64) -> [Vec<f64>; 2] {
    let v = average(v, |i| g[i] * g[i], alpha);
    let q: Vec<f64> = v.iter().zip(g).map(|(v, g)| g / (v.sqrt() + eps)).collect();
    [sgd(w, &q, lr), v]
}

/// RMSprop with momentum. Returns `w`, `v` and `b`.
pub fn rmsprop_momentum(
    w: &[f64],
    v: &[f64],
    b: &[f64],
    g: &[f64],
    lr: f64,
    alpha: [f64; 2],
    eps: f64,
    momentum: [f64; 2],
) -> [Vec<f64>; 3] {
    let v = average(v, |i| g[i] * g[i], alpha);
    let b = average(b, |i| g[i] / (v[i].sqrt() + eps), momentum);
    [sgd(w, &b, lr), v, b]
}

/// Centered RMSprop (Graves 2013, arXiv:1308.0850, eq. 38–45, without its momentum). Returns `w`, `v` and `c`.
pub fn rmsprop_centered(
    w: &[f64],
    v: &[f64],
    c: &[f64],
    g: &[f64],
    lr: f64,
    alpha: [f64; 2],
    eps: f64,
) -> [Vec<f64>; 3] {
    let still = vec![0.0; w.len()];
    let [w, v, c, _] = rmsprop_centered_momentum(w, v, c, &still, g, lr, alpha, eps, [0.0, 1.0]);
    [w, v, c]
}

/// Centered RMSprop with momentum. Returns `w`, `v`, `c` and `b`.
pub fn rmsprop_centered_momentum(
    w: &[f64],
    v: &[f64],
    c: &[f64],
    b: &[f64],
    g: &[f64],
    lr: f64,
    alpha: [f64; 2],
    eps: f64,
    momentum: [f64; 2],
) -> [Vec<f64>; 4] {
    let v = average(v, |i| g[i] * g[i], alpha);
    let c = average(c, |i| g[i], alpha);
    // A variance: 0 at least, whatever rounding says.
    let b = average(b, |i| g[i] / ((v[i] - c[i] * c[i]).max(0.0).sqrt() + eps), momentum);
    [sgd(w, &b, lr), v, c, b]
}

/// Adadelta (Zeiler 2012, arXiv:1212.5701, algorithm 1). Returns `w`, `s` and `u`.
pub fn adadelta(w: &[f64], s: &[f64], u: &[f64], g: &[f64], lr: f64, rho: [f64; 2], eps: f64) -> [Vec<f64>; 3] {
    let s = average(s, |i| g[i] * g[i], rho);
    let d: Vec<f64> = (0..w.len()).map(|i| (u[i] + eps).sqrt() / (s[i] + eps).sqrt() * g[i]).collect();
    let u = average(u, |i| d[i] * d[i], rho);
    [sgd(w, &d, lr), s, u]
}

/// The numbers of an update by Adam: `lr`, `[βᵢ, 1 − βᵢ]`, `rate = lr/(1 − β₁ᵗ)`, `root = 1/√(1 − β₂ᵗ)`, `eps`.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// `β₁` and `1 − β₁`.
    pub beta1: [f64; 2],
    /// `β₂` and `1 − β₂`.
    pub beta2: [f64; 2],
    /// `lr/(1 − β₁ᵗ)`.
    pub rate: f64,
    /// `1/√(1 − β₂ᵗ)`.
    pub root: f64,
    /// Added to the root.
    pub eps: f64,
}

impl Adam {
    fn steps(&self, m: &[f64], second: &[f64]) -> Vec<f64> {
        m.iter().zip(second).map(|(m, v)| self.rate * m / (v.sqrt() * self.root + self.eps)).collect()
    }
}

/// Adam (Kingma, Ba 2014, arXiv:1412.6980, algorithm 1). Returns `w`, `m` and `v`.
pub fn adam(w: &[f64], m: &[f64], v: &[f64], g: &[f64], by: Adam) -> [Vec<f64>; 3] {
    let (m, v) = (average(m, |i| g[i], by.beta1), average(v, |i| g[i] * g[i], by.beta2));
    [sgd(w, &by.steps(&m, &v), 1.0), m, v]
}

/// Adam by the largest second moment so far (Reddi et al. 2018, arXiv:1904.09237), corrected as in PyTorch. Returns
/// `w`, `m`, `v` and `v_max`.
pub fn amsgrad(w: &[f64], m: &[f64], v: &[f64], v_max: &[f64], g: &[f64], by: Adam) -> [Vec<f64>; 4] {
    let (m, v) = (average(m, |i| g[i], by.beta1), average(v, |i| g[i] * g[i], by.beta2));
    let v_max: Vec<f64> = v.iter().zip(v_max).map(|(v, x)| x.max(*v)).collect();
    [sgd(w, &by.steps(&m, &v_max), 1.0), m, v, v_max]
}

/// `w − lr·decay·w`.
fn decayed(w: &[f64], lr: f64, decay: Option<&[f64]>) -> Vec<f64> {
    w.iter().enumerate().map(|(i, w)| w - lr * decay.map_or(0.0, |decay| decay[i / 64]) * w).collect()
}

/// Adam with decoupled weight decay (Loshchilov, Hutter 2017, arXiv:1711.05101, algorithm 2). Returns `w`, `m` and `v`.
pub fn adamw(w: &[f64], m: &[f64], v: &[f64], g: &[f64], by: Adam, decay: Option<&[f64]>) -> [Vec<f64>; 3] {
    adam(&decayed(w, by.lr, decay), m, v, g, by)
}

/// [`adamw`] by the largest second moment so far. Returns `w`, `m`, `v` and `v_max`.
pub fn adamw_amsgrad(
    w: &[f64],
    m: &[f64],
    v: &[f64],
    v_max: &[f64],
    g: &[f64],
    by: Adam,
    decay: Option<&[f64]>,
) -> [Vec<f64>; 4] {
    amsgrad(&decayed(w, by.lr, decay), m, v, v_max, g, by)
}

/// FTRL-Proximal (McMahan et al. 2013, algorithm 1), after the gradient of `w`: `sharpness` is `1/alpha`, `base`
/// `beta/alpha + l2`. Returns `w`, `z` and `n`.
pub fn ftrl(w: &[f64], z: &[f64], n: &[f64], g: &[f64], sharpness: f64, base: f64, l1: f64) -> [Vec<f64>; 3] {
    let mut next = [vec![], vec![], vec![]];
    for i in 0..w.len() {
        let sigma = ((n[i] + g[i] * g[i]).sqrt() - n[i].sqrt()) * sharpness;
        let lead = z[i] + g[i] - sigma * w[i];
        let squares = n[i] + g[i] * g[i];
        let weight =
            if lead.abs() <= l1 { 0.0 } else { -(lead - lead.signum() * l1) / (squares.sqrt() * sharpness + base) };
        for (all, one) in next.iter_mut().zip([weight, lead, squares]) {
            all.push(one);
        }
    }
    next
}

/// `decay·ema + (1 − decay)·w`, with `[decay, 1 − decay]` in `by`.
pub fn ema_update(ema: &[f64], w: &[f64], by: [f64; 2]) -> Vec<f64> {
    average(ema, |i| w[i], by)
}

/// Sums of squares of slices of `slice` elements.
pub fn sum_of_squares(x: &[f64], slice: usize) -> Vec<f64> {
    x.chunks(slice).map(|part| part.iter().map(|x| x * x).sum()).collect()
}

/// The norm of gradients whose squares sum up to `parts`, times `factor`, and the factor that clips it (Pascanu,
/// Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1).
pub fn clip_scale(parts: &[f64], max_norm: f64, factor: f64) -> (f64, f64) {
    let norm = factor * parts.iter().sum::<f64>().sqrt();
    (norm, factor * (max_norm / (norm + 1e-6)).min(1.0))
}

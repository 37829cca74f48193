//! The weights to begin with, from a seed: each weight's numbers depend on the seed and its key alone, so that they are
//! the same in any order and with any other weights beside it.
//!
//! Numbers are Philox 4×32-10 (Salmon et al. 2011), keyed by the seed, with the hash of the key in the counter; all is
//! computed in f64 and rounded once.

use std::f64::consts::TAU;

use kernels_ref::random::philox4x32_10;

use crate::tensor::HostTensor;

/// What a weight begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// One number.
    Constant(f64),
    /// Uniform in [low, high).
    Uniform {
        /// The least value.
        low: f64,
        /// Above the largest value.
        high: f64,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Normal, drawn again where it falls outside `mean ± limit·std`.
    TruncatedNormal {
        /// Mean before it is cut; the mean after, too.
        mean: f64,
        /// Standard deviation before it is cut.
        std: f64,
        /// Where it is cut, in standard deviations.
        limit: f64,
    },
    /// `U(±gain·√(6/(fan_in + fan_out)))` (Glorot, Bengio 2010, eq. 16).
    XavierUniform {
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// `N(0, gain²·2/(fan_in + fan_out))` (Glorot, Bengio 2010).
    XavierNormal {
        /// Factor for the activation that follows.
        gain: f64,
    },
    /// `U(±gain·√(3/fan))` (He et al. 2015, arXiv:1502.01852).
    KaimingUniform {
        /// Factor for the activation that follows: √2 for ReLU.
        gain: f64,
        /// Which fan keeps its variance.
        fan: Fan,
    },
    /// `N(0, gain²/fan)` (He et al. 2015, arXiv:1502.01852).
    KaimingNormal {
        /// Factor for the activation that follows: √2 for ReLU.
        gain: f64,
        /// Which fan keeps its variance.
        fan: Fan,
    },
    /// `gain·Q` with rows or columns, whichever are fewer, orthonormal (Saxe et al. 2013, arXiv:1312.6120).
    Orthogonal {
        /// Their length.
        gain: f64,
    },
    /// `U(±1/√fan_in)`: PyTorch's default of affine and convolutional weights, `kaiming_uniform_(a=√5)`.
    FanIn,
}

/// Of a weight: what a result sums over, or what an input adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fan {
    /// Keeps the variance of results.
    In,
    /// Keeps the variance of gradients.
    Out,
}

/// `[fan_in, fan_out]` of a weight `(out, in, …)`, as in PyTorch: the axes after the second are the window. A vector has
/// its length for both.
pub fn fans(shape: &[usize]) -> [usize; 2] {
    match shape {
        [] => [1, 1],
        [n] => [*n, *n],
        [out, inputs, window @ ..] => {
            let window: usize = window.iter().product();
            [inputs * window, out * window]
        }
    }
}

/// The gain that PyTorch's `calculate_gain` gives an activation; 1 for one it does not name.
pub fn gain(activation: &str) -> f64 {
    match activation {
        "relu" => 2f64.sqrt(),
        "leaky_relu" => (2.0 / (1.0 + 0.01f64.powi(2))).sqrt(),
        "tanh" => 5.0 / 3.0,
        "selu" => 0.75,
        _ => 1.0,
    }
}

impl Init {
    /// The weight `key` of `shape`, from `seed`.
    pub fn weight(self, key: &str, shape: &[usize], seed: u64) -> HostTensor {
        let n = shape.iter().product();
        let mut draws = Draws::new(key, seed);
        let [fan_in, fan_out] = fans(shape).map(|n| n.max(1) as f64);
        let fan_of = |fan| if fan == Fan::In { fan_in } else { fan_out };
        let both = fan_in + fan_out;
        let values = match self {
            Init::Zeros => vec![0.0; n],
            Init::Ones => vec![1.0; n],
            Init::Constant(value) => vec![value; n],
            Init::Uniform { low, high } => draws.uniform(n, low, high),
            Init::Normal { mean, std } => draws.normal(n, mean, std),
            Init::TruncatedNormal { mean, std, limit } => draws.truncated(n, mean, std, limit),
            Init::XavierUniform { gain } => draws.within(n, gain * (6.0 / both).sqrt()),
            Init::XavierNormal { gain } => draws.normal(n, 0.0, gain * (2.0 / both).sqrt()),
            Init::KaimingUniform { gain, fan } => draws.within(n, gain * (3.0 / fan_of(fan)).sqrt()),
            Init::KaimingNormal { gain, fan } => draws.normal(n, 0.0, gain / fan_of(fan).sqrt()),
            Init::Orthogonal { gain } => orthogonal(&mut draws, shape, gain),
            Init::FanIn => draws.within(n, 1.0 / fan_in.sqrt()),
        };
        HostTensor::f32(shape, values.into_iter().map(|v| v as f32).collect())
    }
}

/// The weight `key` of `shape` as PyTorch's layers begin with it, by its name: scales of norms and running variances 1,
/// their shifts, running means and counters 0, tables of embeddings `N(0, 1)`, everything else `U(±1/√fan_in)`.
///
/// A bias has the fan of its layer: `shape_of` tells the shapes of the other weights, and without a weight of two axes
/// or more beside it, it belongs to a norm. Recurrent weights and biases (`weight_hh_l0`, `bias_ih_l0`) are
/// `U(±1/√hidden)`.
///
/// # Source
/// PyTorch `reset_parameters` of `torch.nn` layers
pub fn init(key: &str, shape: &[usize], seed: u64, shape_of: impl Fn(&str) -> Option<Vec<usize>>) -> HostTensor {
    default_for(key, shape, shape_of).weight(key, shape, seed)
}

/// What [`init`] chooses.
pub fn default_for(key: &str, shape: &[usize], shape_of: impl Fn(&str) -> Option<Vec<usize>>) -> Init {
    let (layer, name) = key.rsplit_once('.').map_or(("", key), |(layer, name)| (layer, name));
    let beside = |name: &str| if layer.is_empty() { name.to_owned() } else { format!("{layer}.{name}") };
    let within = |n: usize| {
        let high = 1.0 / (n.max(1) as f64).sqrt();
        Init::Uniform { low: -high, high }
    };
    let table = ["embedding", "wte", "wpe", "embed_tokens"].iter().any(|t| layer.rsplit('.').next() == Some(*t))
        || layer.ends_with("_embeddings")
        || layer.ends_with("_embedding");
    if let Some(direction) = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].iter().find_map(|p| name.strip_prefix(p))
    {
        let hidden = shape_of(&beside(&format!("weight_hh{direction}"))).map(|s| s[s.len() - 1]);
        return within(hidden.unwrap_or_else(|| fans(shape)[0]));
    }
    match name {
        "running_var" => Init::Ones,
        "running_mean" | "num_batches_tracked" => Init::Zeros,
        "weight" if shape.len() <= 1 => Init::Ones,
        "weight" if table => Init::Normal { mean: 0.0, std: 1.0 },
        "bias" => match shape_of(&beside("weight")) {
            Some(weight) if weight.len() > 1 => within(fans(&weight)[0]),
            _ => Init::Zeros,
        },
        _ if shape.len() <= 1 => Init::Zeros,
        _ => Init::FanIn,
    }
}

/// Random numbers of one weight.
struct Draws {
    seed: [u32; 2],
    hash: [u32; 2],
    block: u32,
}

impl Draws {
    fn new(key: &str, seed: u64) -> Draws {
        // FNV-1a (Fowler, Noll, Vo 1991).
        let hash =
            key.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Draws { seed: halves(seed), hash: halves(hash), block: 0 }
    }

    /// Two numbers in [0, 1), multiples of 2⁻⁵³.
    fn pair(&mut self) -> [f64; 2] {
        let w = philox4x32_10([self.block, 0, self.hash[0], self.hash[1]], self.seed);
        self.block += 1; // Two elements each, and a tensor has fewer than 2³¹.
        let unit = |high: u32, low: u32| ((u64::from(high) << 21) | u64::from(low >> 11)) as f64 / (1u64 << 53) as f64;
        [unit(w[0], w[1]), unit(w[2], w[3])]
    }

    /// `n` numbers that `two` makes in pairs.
    fn all(&mut self, n: usize, two: impl Fn([f64; 2]) -> [f64; 2]) -> Vec<f64> {
        let mut values: Vec<f64> = (0..n.div_ceil(2)).flat_map(|_| two(self.pair())).collect();
        values.truncate(n);
        values
    }

    fn uniform(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        self.all(n, |pair| pair.map(|u| low + (high - low) * u))
    }

    fn within(&mut self, n: usize, bound: f64) -> Vec<f64> {
        self.uniform(n, -bound, bound)
    }

    /// Box, Muller 1958.
    fn normal(&mut self, n: usize, mean: f64, std: f64) -> Vec<f64> {
        self.all(n, |[u, v]| {
            let radius = (-2.0 * (1.0 - u).ln()).sqrt();
            [mean + std * radius * (TAU * v).cos(), mean + std * radius * (TAU * v).sin()]
        })
    }

    /// By rejection: of normal numbers where most lie within the limit, else of uniform ones (Robert 1995,
    /// arXiv:0907.4010).
    fn truncated(&mut self, n: usize, mean: f64, std: f64, limit: f64) -> Vec<f64> {
        let mut values = Vec::with_capacity(n);
        while values.len() < n {
            if limit >= 1.5 {
                values.extend(self.normal(2, 0.0, 1.0).into_iter().filter(|z| z.abs() <= limit));
            } else {
                let [u, v] = self.pair();
                let z = limit * (2.0 * u - 1.0);
                values.extend((v <= (-0.5 * z * z).exp()).then_some(z));
            }
        }
        values.truncate(n);
        values.into_iter().map(|z| mean + std * z).collect()
    }
}

fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// `gain·Q`, from the decomposition `A = Q·R` of normal numbers: the axes after the first together, the longer side as
/// rows, and signs such that the diagonal of `R` is positive, which makes `Q` uniform (Mezzadri 2006,
/// arXiv:math-ph/0609050).
fn orthogonal(draws: &mut Draws, shape: &[usize], gain: f64) -> Vec<f64> {
    let n: usize = shape.iter().product();
    let first = shape.first().copied().unwrap_or(1);
    let rest = n / first.max(1);
    let (rows, cols) = (first.max(rest), first.min(rest));
    let q = householder(draws.normal(n, 0.0, 1.0), rows, cols);
    let at = |i: usize, j: usize| gain * if first < rest { q[j * cols + i] } else { q[i * cols + j] };
    (0..first).flat_map(|i| (0..rest).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
}

/// The first `cols` columns of `Q` in `A = Q·R`, by reflections (Householder 1958), where `R` has a positive diagonal.
fn householder(mut a: Vec<f64>, rows: usize, cols: usize) -> Vec<f64> {
    // Reflection k is 1 − 2·v·vᵀ; v fills column k from the diagonal down, and R is not kept.
    let mut signs = vec![1.0; cols];
    for k in 0..cols {
        let norm = (k..rows).map(|i| a[i * cols + k].powi(2)).sum::<f64>().sqrt();
        // R[k,k] is −sign(a)·norm: the sum below does not cancel.
        let sign = if a[k * cols + k] < 0.0 { -1.0 } else { 1.0 };
        signs[k] = -sign;
        a[k * cols + k] += sign * norm;
        let length = (k..rows).map(|i| a[i * cols + k].powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            (k..rows).for_each(|i| a[i * cols + k] /= length);
        }
        for j in k + 1..cols {
            let dot: f64 = (k..rows).map(|i| a[i * cols + k] * a[i * cols + j]).sum();
            (k..rows).for_each(|i| a[i * cols + j] -= 2.0 * dot * a[i * cols + k]);
        }
    }
    // Q = H₀·H₁·… of the first columns of the identity, each with its sign.
    let mut q = vec![0.0; rows * cols];
    for j in 0..cols {
        q[j * cols + j] = signs[j];
        for k in (0..cols).rev() {
            let dot: f64 = (k..rows).map(|i| a[i * cols + k] * q[i * cols + j]).sum();
            (k..rows).for_each(|i| q[i * cols + j] -= 2.0 * dot * a[i * cols + k]);
        }
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(init: Init, shape: &[usize]) -> Vec<f64> {
        init.weight("layer.weight", shape, 7).to_f64()
    }

    /// Mean and standard deviation within five standard errors; `kurtosis` is the fourth moment over std⁴.
    #[track_caller]
    fn moments(init: Init, shape: &[usize], mean: f64, std: f64, kurtosis: f64) {
        let v = values(init, shape);
        let n = v.len() as f64;
        let m = v.iter().sum::<f64>() / n;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!((m - mean).abs() < 5.0 * std / n.sqrt(), "mean is {m}, expected {mean}");
        let error = 5.0 * std * std * ((kurtosis - 1.0) / n).sqrt();
        assert!((var - std * std).abs() < error, "std is {}, expected {std}", var.sqrt());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let conv = [64, 32, 3, 3]; // fan_in 288, fan_out 576
        moments(Init::Uniform { low: -1.0, high: 3.0 }, &conv, 1.0, 4.0 / 12f64.sqrt(), 1.8);
        moments(Init::Normal { mean: 0.5, std: 2.0 }, &conv, 0.5, 2.0, 3.0);
        moments(Init::XavierUniform { gain: 2.0 }, &conv, 0.0, 2.0 * (2.0 / 864f64).sqrt(), 1.8);
        moments(Init::XavierNormal { gain: 1.0 }, &conv, 0.0, (2.0 / 864f64).sqrt(), 3.0);
        moments(Init::KaimingUniform { gain: gain("relu"), fan: Fan::In }, &conv, 0.0, (2.0 / 288f64).sqrt(), 1.8);
        moments(Init::KaimingNormal { gain: gain("relu"), fan: Fan::Out }, &conv, 0.0, (2.0 / 576f64).sqrt(), 3.0);
        moments(Init::FanIn, &conv, 0.0, 1.0 / (3.0 * 288f64).sqrt(), 1.8);
        // Cut at two standard deviations: scipy.stats.truncnorm(-2, 2).std(), and its fourth moment over std⁴.
        let cut = Init::TruncatedNormal { mean: 1.0, std: 3.0, limit: 2.0 };
        moments(cut, &conv, 1.0, 3.0 * 0.879_625_661_034_239_8, 2.366);
        assert!(values(cut, &conv).iter().all(|v| (v - 1.0).abs() <= 6.0 + 1e-6));
        // truncnorm(-1, 1)
        moments(Init::TruncatedNormal { mean: 0.0, std: 1.0, limit: 1.0 }, &conv, 0.0, 0.539560093755, 1.941);
    }

    #[test]
    fn bounds_are_those_of_pytorch() {
        let high = values(Init::FanIn, &[16, 25]).into_iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        assert!(high <= 0.2 && high > 0.19, "largest is {high}");
        assert_eq!((fans(&[5, 7]), fans(&[5, 7, 3]), fans(&[4]), fans(&[])), ([7, 5], [21, 15], [4, 4], [1, 1]));
        assert_eq!((gain("relu"), gain("tanh"), gain("linear")), (2f64.sqrt(), 5.0 / 3.0, 1.0));
    }

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (shape, rows, cols) in [([7, 7], 7, 7), ([9, 4], 9, 4), ([4, 9], 4, 9), ([1, 5], 1, 5), ([5, 1], 5, 1)] {
            let q = values(Init::Orthogonal { gain: 2.0 }, &shape);
            let by_rows = rows <= cols;
            let few = rows.min(cols);
            let at = |i: usize, k: usize| if by_rows { q[i * cols + k] } else { q[k * cols + i] };
            for (i, j) in (0..few).flat_map(|i| (0..few).map(move |j| (i, j))) {
                let dot: f64 = (0..rows.max(cols)).map(|k| at(i, k) * at(j, k)).sum();
                let expected = if i == j { 4.0 } else { 0.0 };
                assert!((dot - expected).abs() < 1e-6, "{shape:?}: {i}·{j} is {dot}");
            }
        }
        assert_eq!(values(Init::Orthogonal { gain: 1.0 }, &[4, 3, 3]).len(), 36);
    }

    #[test]
    fn reflections_give_the_q_of_a_positive_r() {
        // numpy: q, r = np.linalg.qr(np.array([[1., 2.], [3., 4.], [5., 7.]])); q*np.sign(np.diag(r))
        let q = householder(vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0], 3, 2);
        let expected = [
            0.16903085094570325,
            0.9486832980505133,
            0.50709255283711,
            -0.31622776601683833,
            0.8451542547285166,
            2.3208668709370606e-16,
        ];
        assert!(q.iter().zip(expected).all(|(q, e): (&f64, f64)| (q - e).abs() < 1e-14), "{q:?}");
    }

    #[test]
    fn numbers_depend_on_seed_and_key_alone() {
        let normal = Init::Normal { mean: 0.0, std: 1.0 };
        let w = |key: &str, seed: u64| normal.weight(key, &[3, 5], seed).to_f64();
        assert_eq!(w("a", 1), w("a", 1));
        assert!(w("a", 1) != w("b", 1) && w("a", 1) != w("a", 2) && w("a", 1) != w("a", 1 | 1 << 32));
        // A longer weight begins with the same numbers.
        assert_eq!(normal.weight("a", &[16], 1).to_f64()[..15], w("a", 1));
    }

    #[test]
    fn names_choose() {
        let shapes = |key: &str| match key {
            "fc.weight" => Some(vec![10, 16]),
            "norm.weight" => Some(vec![8]),
            "rnn.weight_hh_l0" => Some(vec![36, 9]),
            "conv.weight" => Some(vec![8, 4, 3, 3]),
            _ => None,
        };
        let chosen = |key: &str, shape: &[usize]| default_for(key, shape, shapes);
        let within = |high: f64| Init::Uniform { low: -high, high };
        assert_eq!(chosen("fc.weight", &[10, 16]), Init::FanIn);
        assert_eq!(chosen("fc.bias", &[10]), within(0.25));
        assert_eq!(chosen("conv.bias", &[8]), within(1.0 / 6.0));
        assert_eq!((chosen("norm.weight", &[8]), chosen("norm.bias", &[8])), (Init::Ones, Init::Zeros));
        assert_eq!(chosen("bn.running_var", &[8]), Init::Ones);
        assert_eq!(values(Init::Constant(0.25), &[3]), [0.25; 3]);
        assert_eq!(chosen("bn.num_batches_tracked", &[]), Init::Zeros);
        assert_eq!(
            (chosen("rnn.bias_ih_l0", &[36]), chosen("rnn.weight_ih_l0", &[36, 4])),
            (within(1.0 / 3.0), within(1.0 / 3.0))
        );
        assert_eq!(chosen("embedding.weight", &[50, 8]), Init::Normal { mean: 0.0, std: 1.0 });
        assert_eq!(chosen("in_embeddings.weight", &[50, 8]), Init::Normal { mean: 0.0, std: 1.0 });
        assert_eq!((chosen("weight", &[1, 4]), chosen("cls_token", &[1, 1, 8])), (Init::FanIn, Init::FanIn));
        assert_eq!(init("norm.weight", &[2], 3, shapes).to_f64(), [1.0, 1.0]);
    }
}

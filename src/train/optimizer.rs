//! Optimizers as settings: what `train.json` says, the kernel that does it, and the numbers of each update.

use crate::config::Config;
use crate::kernel::Kernel;
use crate::kernels::optimizer::{adadelta, adagrad, adam, ftrl, rmsprop, sgd};

/// An optimizer, and the weight decay that every one has.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    /// Which one, and its numbers.
    pub rule: Rule,
    /// Weight decay: decoupled for `adamw`, else `weight_decay·w` is added to the gradient.
    pub weight_decay: f64,
    /// Tensors with fewer axes have no weight decay.
    pub weight_decay_min_ndim: usize,
}

/// The optimizers, with the keys of `train.json`.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `w ← w − lr·g`
    Sgd {
        /// Learning rate.
        lr: f64,
    },
    /// `v ← g` at first, then `v ← momentum·v + (1 − dampening)·g`; `w ← w − lr·v`
    Momentum {
        /// Learning rate.
        lr: f64,
        /// What stays of `v`.
        momentum: f64,
        /// What `v` does not take of a gradient after the first.
        dampening: f64,
        /// Steps by `g + momentum·v`.
        nesterov: bool,
    },
    /// `a ← a + g²`; `w ← w − lr/(1 + (t − 1)·lr_decay)·g/(√a + eps)`
    Adagrad {
        /// Learning rate.
        lr: f64,
        /// How fast it falls.
        lr_decay: f64,
        /// What `a` begins with.
        initial_accumulator_value: f64,
        /// Added to the root.
        eps: f64,
    },
    /// `v ← alpha·v + (1 − alpha)·g²`; `b ← momentum·b + g/(√v + eps)`; `w ← w − lr·b`
    RmsProp {
        /// Learning rate.
        lr: f64,
        /// What stays of the averages.
        alpha: f64,
        /// Added to the root.
        eps: f64,
        /// Takes the variance in place of `v`.
        centered: bool,
        /// What stays of `b`.
        momentum: f64,
    },
    /// `s ← rho·s + (1 − rho)·g²`; `d = √(u + eps)/√(s + eps)·g`; `u ← rho·u + (1 − rho)·d²`; `w ← w − lr·d`
    Adadelta {
        /// Learning rate.
        lr: f64,
        /// What stays of the averages.
        rho: f64,
        /// Added below the roots.
        eps: f64,
    },
    /// `m ← β₁·m + (1 − β₁)·g`; `v ← β₂·v + (1 − β₂)·g²`; `w ← w − lr·(m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + eps)`
    Adam {
        /// Learning rate.
        lr: f64,
        /// What stays of the two moments.
        betas: [f64; 2],
        /// Added to the root.
        eps: f64,
        /// Takes the largest `v` so far.
        amsgrad: bool,
        /// The weight decay is decoupled: `adamw`.
        decoupled: bool,
    },
    /// FTRL-Proximal; it has no learning rate that a schedule could change.
    Ftrl {
        /// Scale of the steps.
        alpha: f64,
        /// Smooths the first steps.
        beta: f64,
        /// Keeps weights at 0.
        l1: f64,
        /// Pulls weights to 0.
        l2: f64,
        /// `z` begins such that the weights are those of the model, instead of at 0.
        z_from_weights: bool,
    },
}

const NAMES: [&str; 8] = ["sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "ftrl"];

/// `x` and `1 − x` for a shader: the f32 nearest to `x`, what it lacks, and `1 − x`.
pub fn factors(x: f64) -> [f32; 3] {
    let near = x as f32;
    [near, (x - f64::from(near)) as f32, (1.0 - x) as f32]
}

impl Optimizer {
    /// The optimizer that `c`, such as `{"name": "adam", "lr": 0.001}`, describes.
    ///
    /// # Errors
    /// By [`Config::finish`]: an unknown name or key, and a number out of its range
    pub fn read(c: &Config) -> Optimizer {
        let name = c.required_text("name", &NAMES);
        let all = ["name", "weight_decay", "weight_decay_min_ndim"];
        c.only(&all.iter().chain(keys(name)).copied().collect::<Vec<_>>());
        let rule = Rule::read(c, name);
        let weight_decay = from_zero(c, "weight_decay", if name == "adamw" { 0.01 } else { 0.0 });
        let weight_decay_min_ndim = c.usize_in("weight_decay_min_ndim", 0, 0..=crate::shape::MAX_RANK + 1);
        Optimizer { rule, weight_decay, weight_decay_min_ndim }
    }

    /// The weight decay of a tensor with `ndim` axes.
    pub fn decay(&self, ndim: usize) -> f64 {
        if ndim < self.weight_decay_min_ndim { 0.0 } else { self.weight_decay }
    }

    /// The learning rate, which a schedule changes.
    pub fn lr(&self) -> Option<f64> {
        match self.rule {
            Rule::Sgd { lr }
            | Rule::Momentum { lr, .. }
            | Rule::Adagrad { lr, .. }
            | Rule::RmsProp { lr, .. }
            | Rule::Adadelta { lr, .. }
            | Rule::Adam { lr, .. } => Some(lr),
            Rule::Ftrl { .. } => None,
        }
    }

    /// The kernel of one update.
    pub fn kernel(&self) -> &'static Kernel {
        match self.rule {
            Rule::Sgd { .. } => &sgd::SGD,
            Rule::Momentum { .. } => &sgd::MOMENTUM,
            Rule::Adagrad { .. } => &adagrad::ADAGRAD,
            Rule::RmsProp { centered, momentum, .. } => match (centered, momentum > 0.0) {
                (false, false) => &rmsprop::RMSPROP,
                (false, true) => &rmsprop::RMSPROP_MOMENTUM,
                (true, false) => &rmsprop::RMSPROP_CENTERED,
                (true, true) => &rmsprop::RMSPROP_CENTERED_MOMENTUM,
            },
            Rule::Adadelta { .. } => &adadelta::ADADELTA,
            Rule::Adam { amsgrad, decoupled, .. } => match (amsgrad, decoupled) {
                (false, false) => &adam::ADAM,
                (true, false) => &adam::AMSGRAD,
                (false, true) => &adam::ADAMW,
                (true, true) => &adam::ADAMW_AMSGRAD,
            },
            Rule::Ftrl { .. } => &ftrl::FTRL,
        }
    }

    /// The names of its states, in the order of the kernel's ports; each has the size of the weights.
    pub fn states(&self) -> &'static [&'static str] {
        &self.kernel().outputs[1..]
    }

    /// What `state` of a tensor begins with, whose first weights are `w`.
    pub fn initial(&self, state: &str, w: &[f32]) -> Vec<f32> {
        match self.rule {
            Rule::Adagrad { initial_accumulator_value, .. } => vec![initial_accumulator_value as f32; w.len()],
            Rule::Ftrl { alpha, beta, l1, l2, z_from_weights: true } if state == "z" => {
                let z = |w: f64| -(w * (beta / alpha + l2) + if w == 0.0 { 0.0 } else { w.signum() * l1 });
                w.iter().map(|&w| z(f64::from(w)) as f32).collect()
            }
            _ => vec![0.0; w.len()],
        }
    }

    /// The numbers of update `t`, from 1, with the learning rate that the schedule says and, if there is one, a bound of
    /// the gradient's elements; the order is that of the kernel's shader. All in f64, then rounded.
    pub fn hyper(&self, t: u64, lr: f64, clip_value: Option<f64>) -> Vec<f32> {
        let clip = clip_value.map_or(f32::MAX, |c| c as f32);
        let first = |x: f64| [x as f32, clip];
        // 1 − βᵗ
        let passed = |beta: f64| 1.0 - beta.powf(t as f64);
        match self.rule {
            Rule::Sgd { .. } => first(lr).to_vec(),
            Rule::Momentum { momentum, dampening, nesterov, .. } => {
                let ([m, rest, _], take) = (factors(momentum), (1.0 - dampening) as f32);
                let v = if t <= 1 { [0.0, 0.0, 1.0] } else { [m, rest, take] };
                let by = if nesterov { [1.0, m] } else { [0.0, 1.0] };
                [&first(lr)[..], &v, &by].concat()
            }
            Rule::Adagrad { lr_decay, eps, .. } => {
                let rate = lr / (1.0 + t.saturating_sub(1) as f64 * lr_decay);
                [&first(rate)[..], &[eps as f32]].concat()
            }
            Rule::RmsProp { alpha, eps, momentum, .. } => {
                let [m, rest, _] = factors(momentum);
                let last: &[f32] = if momentum > 0.0 { &[m, rest, 1.0] } else { &[] };
                [&first(lr)[..], &factors(alpha), &[eps as f32], last].concat()
            }
            Rule::Adadelta { rho, eps, .. } => [&first(lr)[..], &factors(rho), &[eps as f32]].concat(),
            Rule::Adam { betas, eps, .. } => {
                let corrected = [lr / passed(betas[0]), 1.0 / passed(betas[1]).sqrt(), eps].map(|x| x as f32);
                [&first(lr)[..], &factors(betas[0]), &factors(betas[1]), &corrected].concat()
            }
            Rule::Ftrl { alpha, beta, l1, l2, .. } => {
                [&first(1.0 / alpha)[..], &[(beta / alpha + l2) as f32, l1 as f32]].concat()
            }
        }
    }
}

impl Rule {
    fn read(c: &Config, name: &str) -> Rule {
        let lr = || above_zero(c, "lr", None);
        let eps = |default| above_zero(c, "eps", Some(default));
        match name {
            "momentum" => {
                c.require(c.has("momentum"), "momentum", || "is missing, expected a number from 0, below 1".into());
                let (momentum, dampening) = (below_one(c, "momentum", 0.0), c.f64_in("dampening", 0.0, 0.0..=1.0));
                Rule::Momentum { lr: lr(), momentum, dampening, nesterov: c.bool("nesterov", false) }
            }
            "adagrad" => Rule::Adagrad {
                lr: lr(),
                lr_decay: from_zero(c, "lr_decay", 0.0),
                initial_accumulator_value: from_zero(c, "initial_accumulator_value", 0.0),
                eps: eps(1e-10),
            },
            "rmsprop" => Rule::RmsProp {
                lr: lr(),
                alpha: below_one(c, "alpha", 0.99),
                eps: eps(1e-8),
                centered: c.bool("centered", false),
                momentum: below_one(c, "momentum", 0.0),
            },
            "adadelta" => Rule::Adadelta { lr: lr(), rho: below_one(c, "rho", 0.9), eps: eps(1e-6) },
            "adam" | "adamw" => Rule::Adam {
                lr: lr(),
                betas: betas(c),
                eps: eps(1e-8),
                amsgrad: c.bool("amsgrad", false),
                decoupled: name == "adamw",
            },
            "ftrl" => {
                c.require(c.has("beta"), "beta", || "is missing, expected a number of 0 or more".into());
                let (alpha, beta) = (above_zero(c, "alpha", None), from_zero(c, "beta", 0.0));
                let (l1, l2) = (from_zero(c, "l1", 0.0), from_zero(c, "l2", 0.0));
                let z_from_weights = c.text("z_init", "zero", &["zero", "weights"]) == "weights";
                c.require(!z_from_weights || beta > 0.0 || l2 > 0.0, "z_init", || {
                    "is \"weights\", which needs beta or l2 above 0: no z stands for the weights otherwise".into()
                });
                Rule::Ftrl { alpha, beta, l1, l2, z_from_weights }
            }
            _ => Rule::Sgd { lr: lr() },
        }
    }
}

/// The keys of `train.json` beside those of every optimizer.
fn keys(name: &str) -> &'static [&'static str] {
    match name {
        "momentum" => &["lr", "momentum", "dampening", "nesterov"],
        "adagrad" => &["lr", "lr_decay", "initial_accumulator_value", "eps"],
        "rmsprop" => &["lr", "alpha", "eps", "centered", "momentum"],
        "adadelta" => &["lr", "rho", "eps"],
        "adam" | "adamw" => &["lr", "betas", "eps", "amsgrad"],
        "ftrl" => &["alpha", "beta", "l1", "l2", "z_init"],
        _ => &["lr"],
    }
}

/// A number above 0 that f32 can hold without losing digits; shaders divide by some of them.
fn above_zero(c: &Config, name: &str, default: Option<f64>) -> f64 {
    let v = default.map_or_else(|| c.required_positive(name), |default| c.positive(name, default));
    let held = (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&v);
    c.require(held, name, || format!("found {v:?}, expected a number from 1.2e-38 to 3.4e38, the range of f32"));
    v
}

fn from_zero(c: &Config, name: &str, default: f64) -> f64 {
    let v = c.f64(name, default);
    c.require((0.0..=f64::from(f32::MAX)).contains(&v), name, || {
        format!("found {v:?}, expected a number of 0 or more")
    });
    v
}

fn below_one(c: &Config, name: &str, default: f64) -> f64 {
    let v = c.f64(name, default);
    c.require((0.0..1.0).contains(&v), name, || format!("found {v:?}, expected a number from 0, below 1"));
    v
}

fn betas(c: &Config) -> [f64; 2] {
    let found = c.floats("betas", &[0.9, 0.999]);
    let fits = found.len() == 2 && found.iter().all(|b| (0.0..1.0).contains(b));
    c.require(fits, "betas", || format!("found {found:?}, expected two numbers from 0, below 1"));
    found.try_into().unwrap_or([0.9, 0.999])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Optimizer, String> {
        let c = Config::parse("optimizer", text).map_err(|e| e.to_string())?;
        let optimizer = Optimizer::read(&c);
        c.finish().map(|()| optimizer).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_specification() {
        let adam = Rule::Adam { lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, amsgrad: false, decoupled: false };
        let plain = |rule| Ok(Optimizer { rule, weight_decay: 0.0, weight_decay_min_ndim: 0 });
        assert_eq!(read(r#"{"name": "adam", "lr": 0.1}"#), plain(adam));
        assert_eq!(read(r#"{"name": "adamw", "lr": 0.1}"#).unwrap().weight_decay, 0.01);
        let rmsprop = Rule::RmsProp { lr: 2.0, alpha: 0.99, eps: 1e-8, centered: false, momentum: 0.0 };
        assert_eq!(read(r#"{"name": "rmsprop", "lr": 2}"#), plain(rmsprop));
        let adagrad = Rule::Adagrad { lr: 1.0, lr_decay: 0.0, initial_accumulator_value: 0.0, eps: 1e-10 };
        assert_eq!(read(r#"{"name": "adagrad", "lr": 1}"#), plain(adagrad));
        assert_eq!(read(r#"{"name": "adadelta", "lr": 1}"#), plain(Rule::Adadelta { lr: 1.0, rho: 0.9, eps: 1e-6 }));
        let ftrl = Rule::Ftrl { alpha: 0.5, beta: 1.0, l1: 0.0, l2: 0.0, z_from_weights: false };
        assert_eq!(read(r#"{"name": "ftrl", "alpha": 0.5, "beta": 1}"#), plain(ftrl));
    }

    #[test]
    fn faults_are_one_sentence() {
        let fault = |text: &str| read(text).unwrap_err();
        let expected = "optimizer: lr: found 0, expected a number above 0";
        assert_eq!(fault(r#"{"name": "sgd", "lr": 0}"#), expected);
        let expected = "optimizer: lr: is missing, expected a number above 0";
        assert_eq!(fault(r#"{"name": "sgd"}"#), expected);
        let expected = "optimizer: betas: found [0.9, 1.0], expected two numbers from 0, below 1";
        assert_eq!(fault(r#"{"name": "adam", "lr": 1, "betas": [0.9, 1]}"#), expected);
        let expected = "optimizer: eps: found -1e-8, expected a number above 0";
        assert_eq!(fault(r#"{"name": "adam", "lr": 1, "eps": -1e-8}"#), expected);
        let expected = "optimizer: eps: found 1e-40, expected a number from 1.2e-38 to 3.4e38, the range of f32";
        assert_eq!(fault(r#"{"name": "adam", "lr": 1, "eps": 1e-40}"#), expected);
        let expected =
            "optimizer: momentum: is not a key here; the keys are name, weight_decay, weight_decay_min_ndim, lr";
        assert_eq!(fault(r#"{"name": "sgd", "lr": 1, "momentum": 0.9}"#), expected);
        let expected = "optimizer: nestrov: is not a key here; did you mean \"nesterov\"?";
        assert_eq!(fault(r#"{"name": "momentum", "lr": 1, "momentum": 0.9, "nestrov": true}"#), expected);
        assert!(
            fault(r#"{"name": "lion", "lr": 1}"#).starts_with("optimizer: name: found \"lion\", expected one of sgd")
        );
        assert!(fault(r#"{"name": "ftrl", "alpha": 1, "beta": 0, "z_init": "weights"}"#).contains("z_init"));
    }

    #[test]
    fn numbers_are_made_in_f64() {
        let adam = read(r#"{"name": "adam", "lr": 0.5, "betas": [0.9, 0.999]}"#).unwrap();
        let h = adam.hyper(3, 0.5, None);
        let sum = |at: usize| f64::from(h[at]) + f64::from(h[at + 1]);
        assert!((sum(2) - 0.9).abs() < 1e-15 && (sum(5) - 0.999).abs() < 1e-15);
        assert_eq!((h[4], h[7], h[1], h.len()), (0.1, 0.001, f32::MAX, 11));
        assert_eq!((h[8], h[9]), ((0.5f64 / 0.271) as f32, (1.0 / 0.002997001f64.sqrt()) as f32));

        let momentum = read(r#"{"name": "momentum", "lr": 1, "momentum": 0.5, "dampening": 0.25}"#).unwrap();
        assert_eq!(momentum.hyper(1, 2.0, Some(3.0)), [2.0, 3.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(momentum.hyper(2, 2.0, Some(3.0)), [2.0, 3.0, 0.5, 0.0, 0.75, 0.0, 1.0]);
        let adagrad = read(r#"{"name": "adagrad", "lr": 1, "lr_decay": 0.5, "eps": 0.125}"#).unwrap();
        assert_eq!(adagrad.hyper(3, 4.0, None), [2.0, f32::MAX, 0.125]);
    }

    #[test]
    fn states_begin_as_they_should() {
        let ftrl = read(r#"{"name": "ftrl", "alpha": 0.5, "beta": 1, "l1": 0.25, "z_init": "weights"}"#).unwrap();
        assert_eq!((ftrl.states(), ftrl.lr()), (&["z", "n"][..], None));
        assert_eq!(ftrl.initial("z", &[1.0, -2.0, 0.0]), [-2.25, 4.25, 0.0]);
        assert_eq!(ftrl.initial("n", &[1.0]), [0.0]);
        let adagrad = read(r#"{"name": "adagrad", "lr": 1, "initial_accumulator_value": 0.5}"#).unwrap();
        assert_eq!(adagrad.initial("a", &[7.0, 8.0]), [0.5, 0.5]);
    }

    #[test]
    fn small_tensors_may_have_no_decay() {
        let sgd = read(r#"{"name": "sgd", "lr": 1, "weight_decay": 0.5, "weight_decay_min_ndim": 2}"#).unwrap();
        assert_eq!((sgd.decay(1), sgd.decay(2)), (0.0, 0.5));
    }
}

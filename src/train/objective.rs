//! What is minimised: the loss that `train.json` names, of what a model makes of a batch.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::kernel::Spec;
use crate::models::{Inputs, Model};
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};

use super::losses;

/// A loss with the parts it is the sum of, and what its labels may be.
pub struct Objective<'g> {
    /// The data loss, of rank 0.
    pub loss: Tensor<'g>,
    /// Parts that are recorded beside it.
    pub parts: Vec<(&'static str, Tensor<'g>)>,
    /// Integer tensors of the batch that name classes.
    pub labels: Vec<Labels>,
}

/// An integer tensor of a batch that names classes.
#[derive(Debug, Clone)]
pub struct Labels {
    /// Its name.
    pub name: String,
    /// Labels are below this,
    pub classes: usize,
    /// or this one, which is left out.
    pub ignore: Option<i32>,
}

/// What language models leave out.
const IGNORE: losses::Classes<'static> =
    losses::Classes { label_smoothing: 0.0, ignore_index: Some(-100), weight: None };

impl<'g> Objective<'g> {
    fn of(loss: Tensor<'g>) -> Objective<'g> {
        Objective { loss, parts: vec![], labels: vec![] }
    }
}

/// The shapes of a batch, by name.
pub type Shapes = BTreeMap<String, Spec>;

/// Builds the model on a batch of `shapes` and the loss called `name` of what it makes; `args` are `loss_args`.
#[track_caller]
pub fn objective<'g>(
    g: &'g Graph,
    model: &Model,
    config: &Config,
    (name, args): (&str, &Config),
    shapes: &Shapes,
) -> Objective<'g> {
    if name == "noise_prediction" {
        return noise_prediction(g, model, config, args, shapes);
    }
    (model.build)(g, config, &Inputs::shapes(shapes.clone()));
    // The loss belongs to no layer.
    g.root();
    let batch = Batch { g, shapes };
    match name {
        "vae" => vae(args, &batch),
        "mdn_nll" => Objective::of(batch.result("nll", "a target").mean(&[], false)),
        "causal_lm" => {
            let (logits, labels) = (batch.result("logits", ""), batch.tensor("labels", Dtype::I32));
            let &[b, t, v] = logits.shape().as_slice() else { return batch.nothing("logits", &logits.shape()) };
            if t < 2 || labels.shape() != [b, t] {
                return batch.nothing("labels", &labels.shape());
            }
            let loss = losses::cross_entropy(logits.slice(1, 0, t - 1), labels.slice(1, 1, t - 1), IGNORE);
            let labels = vec![Labels { name: "labels".into(), classes: v, ignore: Some(-100) }];
            Objective { labels, ..Objective::of(loss) }
        }
        "masked_lm" => cross_entropy(&batch, "logits", "labels", IGNORE),
        "contrastive" => Objective::of(losses::contrastive(batch.result("logits_per_text", "texts and images"))),
        "negative_sampling" => {
            let positive = batch.result("target_score", "target and negatives");
            let negative = batch.result("negative_scores", "target and negatives");
            Objective::of(losses::negative_sampling(positive, negative))
        }
        _ => compared(model, args, name, &batch),
    }
}

/// A loss of the model's output and the batch's target.
fn compared<'g>(model: &Model, args: &Config, name: &str, batch: &Batch<'g, '_>) -> Objective<'g> {
    let Some(trains) = model.trains else {
        let message = format!("there is no loss for {} in its notes", model.name);
        return batch.reject("loss", message);
    };
    if name == "cross_entropy" || name == "nll" {
        let ignore = args.integer("ignore_index", -100, i64::from(i32::MIN)..=i64::from(i32::MAX)) as i32;
        let weights = args.has("class_weights").then(|| args.floats("class_weights", &[]));
        let weight = weights.map(|w| {
            let w: Vec<f32> = w.iter().map(|&w| w as f32).collect();
            batch.g.constant(HostTensor::f32(&[w.len()], w))
        });
        let label_smoothing = args.f64_in("label_smoothing", 0.0, 0.0..=1.0);
        let classes = losses::Classes { label_smoothing, ignore_index: Some(ignore), weight };
        let mut found = cross_entropy(batch, trains.output, trains.target, classes);
        if name == "nll" {
            found.loss = losses::nll(batch.result(trains.output, ""), batch.tensor(trains.target, Dtype::I32), classes);
        }
        return found;
    }
    let o = batch.result(trains.output, "");
    let y = |dtype| batch.tensor(trains.target, dtype);
    let loss = match name {
        "mse" => losses::mse(o, y(Dtype::F32)),
        "l1" => losses::l1(o, y(Dtype::F32)),
        "huber" => losses::huber(o, y(Dtype::F32), args.positive("delta", 1.0)),
        "binary_cross_entropy_with_logits" => losses::binary_cross_entropy_with_logits(o, y(Dtype::F32)),
        "hinge" => losses::hinge(o, y(Dtype::F32), args.f64("margin", 1.0)),
        "perceptron" => losses::perceptron(o, y(Dtype::F32)),
        "multi_margin" => {
            let classes = o.shape().last().copied().unwrap_or(1);
            let labels = vec![Labels { name: trains.target.into(), classes, ignore: None }];
            return Objective {
                labels,
                ..Objective::of(losses::multi_margin(o, y(Dtype::I32), args.f64("margin", 1.0)))
            };
        }
        "gaussian_nll" => {
            let [mean, log_variance] = losses::halves(o);
            losses::gaussian_nll(mean, log_variance, y(Dtype::F32), args.bool("full", false))
        }
        "kl_standard_normal" => {
            let [mean, log_variance] = losses::halves(o);
            losses::kl_standard_normal(mean, log_variance)
        }
        "kl_gaussians" => {
            let ([mean, log_variance], [m, v]) = (losses::halves(o), losses::halves(y(Dtype::F32)));
            losses::kl_gaussians([mean, log_variance], [m, v])
        }
        "kl_divergence" => losses::kl_divergence(y(Dtype::F32), o),
        "cosine_embedding" => {
            let sign = batch.tensor("sign", Dtype::F32);
            losses::cosine_embedding(o, y(Dtype::F32), sign, args.f64("margin", 0.0))
        }
        _ => return batch.reject("loss", format!("'{name}' is no loss")),
    };
    Objective::of(loss)
}

fn cross_entropy<'g>(batch: &Batch<'g, '_>, output: &str, target: &str, classes: losses::Classes<'g>) -> Objective<'g> {
    let (logits, labels) = (batch.result(output, ""), batch.tensor(target, Dtype::I32));
    let count = logits.shape().last().copied().unwrap_or(1);
    let rows = &logits.shape()[..logits.rank().saturating_sub(1)];
    if labels.shape() != rows {
        let message = format!("is {}, expected {} for {output}", Dims(&labels.shape()), Dims(rows));
        return batch.reject(target, message);
    }
    if let Some(weight) = classes.weight.filter(|w| w.shape() != [count]) {
        let message = format!("has {} weights for {count} classes", weight.shape()[0]);
        return batch.reject("class_weights", message);
    }
    let of = vec![Labels { name: target.into(), classes: count, ignore: classes.ignore_index }];
    Objective { labels: of, ..Objective::of(losses::cross_entropy(logits, labels, classes)) }
}

/// Reconstruction, and the divergence of the codes from a standard normal.
///
/// Source: Kingma, Welling 2014, arXiv:1312.6114, eq. 10; beta of Higgins et al. 2017
fn vae<'g>(args: &Config, batch: &Batch<'g, '_>) -> Objective<'g> {
    let bce = args.text("reconstruction", "bce", &["bce", "mse"]) == "bce";
    let beta = args.f64("beta", 1.0);
    let [o, mu, logvar] = ["output", "mu", "logvar"].map(|name| batch.result(name, "input and eps"));
    let kind = if bce { losses::Reconstruction::Bce } else { losses::Reconstruction::Mse };
    let found = losses::vae(o, batch.tensor("input", Dtype::F32), mu, logvar, kind, beta);
    let parts = vec![("reconstruction", found.reconstruction), ("kl", found.kl)];
    Objective { parts, ..Objective::of(found.total) }
}

/// The noise that a diffusion model finds in `√ᾱ_t·input + √(1 − ᾱ_t)·noise`, against the noise that is in it.
///
/// Source: Ho, Jain, Abbeel 2020, arXiv:2006.11239, algorithm 1
fn noise_prediction<'g>(g: &'g Graph, model: &Model, config: &Config, args: &Config, shapes: &Shapes) -> Objective<'g> {
    let steps = args.required_usize_in("num_train_timesteps", 1..=1_000_000);
    args.text("beta_schedule", "linear", &["linear"]);
    let [start, end] = ["beta_start", "beta_end"].map(|name| args.required_positive(name));
    let batch = Batch { g, shapes };
    let (x, noise) = (batch.tensor("input", Dtype::F32), batch.tensor("noise", Dtype::F32));
    let t = batch.tensor("timestep", Dtype::I32);
    if x.shape() != noise.shape() || t.shape() != x.shape()[..x.rank().min(1)] {
        let message =
            format!("is {} with noise {}, timestep {}", Dims(&x.shape()), Dims(&noise.shape()), Dims(&t.shape()));
        return batch.reject("input", message);
    }
    // Both factors of every step, in f64.
    let mut kept = 1.0f64;
    let mut table = vec![];
    for i in 0..steps {
        let beta = start + (end - start) * i as f64 / (steps - 1).max(1) as f64;
        kept *= 1.0 - beta;
        table.extend([kept.sqrt() as f32, (1.0 - kept).sqrt() as f32]);
    }
    let factors = t.embedding(g.constant(HostTensor::f32(&[steps, 2], table))); // (B, 2)
    let mut each = vec![1; x.rank()];
    each[0] = x.shape()[0];
    let factor = |k| factors.slice(1, k, 1).reshape(&each);
    g.substitute("sample", x * factor(0) + noise * factor(1));
    let mut inputs = shapes.clone();
    inputs.insert("sample".into(), Spec::f32(&x.shape()));
    (model.build)(g, config, &Inputs::shapes(inputs));
    g.root();
    let labels = vec![Labels { name: "timestep".into(), classes: steps, ignore: None }];
    Objective { labels, ..Objective::of(losses::noise_prediction(batch.result("sample", ""), noise)) }
}

/// The tensors of a batch, and what the model made of them.
struct Batch<'g, 'a> {
    g: &'g Graph,
    shapes: &'a Shapes,
}

impl<'g> Batch<'g, '_> {
    /// The tensor `name` of the batch.
    #[track_caller]
    fn tensor(&self, name: &str, dtype: Dtype) -> Tensor<'g> {
        Inputs::shapes(self.shapes.clone()).tensor(self.g, name, dtype, &[1])
    }

    /// The result `name` of the model, which it has only where `with` is given.
    #[track_caller]
    fn result(&self, name: &str, with: &str) -> Tensor<'g> {
        self.g.result(name).unwrap_or_else(|| {
            let with = if with.is_empty() { String::new() } else { format!(" without {with}") };
            self.g.reject("loss", format!("the model has no result '{name}'{with}"));
            self.g.scalar(0.0)
        })
    }

    #[track_caller]
    fn reject(&self, what: &str, message: String) -> Objective<'g> {
        self.g.reject(what, message);
        Objective::of(self.g.scalar(0.0))
    }

    #[track_caller]
    fn nothing(&self, what: &str, shape: &[usize]) -> Objective<'g> {
        self.reject(what, format!("is {}, which the loss cannot take", Dims(shape)))
    }
}

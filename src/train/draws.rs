//! What a step draws where its batch does not bring it: noise, time steps, codes, masks.
//!
//! A draw is a function of the seed, the tensor's name and the number of the batch alone, so that a run repeats bit for
//! bit and can go on at any batch.

use crate::engine::Tensors;
use crate::tensor::HostTensor;

use super::init::Init;
use super::objective::Shapes;
use super::step::Task;

/// How much of an image a masking autoencoder does not see (Vincent et al. 2008, section 5).
const HIDDEN: f64 = 0.25;

/// What the elements of a tensor are drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    /// The standard normal distribution.
    Normal,
    /// Whole numbers below this, all alike.
    Below(usize),
    /// 1 with this probability, else 0.
    Ones(f64),
}

/// A tensor that each batch draws anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    name: String,
    shape: Vec<usize>,
    from: From,
}

/// What batches of `shapes` lack of what the model and its loss take, in `training` or in evaluation mode.
pub fn draws(task: &Task, shapes: &Shapes, training: bool) -> Vec<Draw> {
    let config = &task.config;
    let input = shapes.get("input").map(|s| s.shape.clone()).unwrap_or_default();
    let rows = input.first().copied().unwrap_or(1);
    let mut all: Vec<(String, Vec<usize>, From)> = vec![];
    match (task.settings.loss, task.model.name) {
        ("gan", _) => {
            let z = vec![rows, config.usize("latent_size", 1), 1, 1];
            all.push(("z_discriminator".into(), z.clone(), From::Normal));
            all.push(("z_generator".into(), z, From::Normal));
        }
        ("noise_prediction", _) => {
            let steps = task.settings.loss_args().usize("num_train_timesteps", 1);
            all.push(("noise".into(), input, From::Normal));
            all.push(("timestep".into(), vec![rows], From::Below(steps)));
        }
        ("vae", _) => all.push(("eps".into(), vec![rows, config.usize("latent_size", 1)], From::Normal)),
        (_, "DenoisingAutoencoder") => match config.any_text("corruption").as_deref() {
            Some("masking") => all.push(("mask".into(), input, From::Ones(1.0 - HIDDEN))),
            _ => all.push(("noise".into(), input, From::Normal)),
        },
        (_, "MLP") if training => {
            let dropout = config.f64("dropout", 0.0);
            let sizes = if dropout > 0.0 { config.list("hidden_sizes", &[]) } else { vec![] };
            for (i, size) in sizes.into_iter().enumerate() {
                all.push((format!("dropout.{i}"), vec![rows, size], From::Ones(1.0 - dropout)));
            }
        }
        _ => {}
    }
    let lacking = all.into_iter().filter(|(name, _, _)| !shapes.contains_key(name));
    lacking.map(|(name, shape, from)| Draw { name, shape, from }).collect()
}

impl Draw {
    /// The tensor of batch `number`.
    fn tensor(&self, seed: u64, number: u64) -> HostTensor {
        let key = format!("draw {number} of {}", self.name);
        let unit = || Init::Uniform { low: 0.0, high: 1.0 }.weight(&key, &self.shape, seed).to_f64();
        match self.from {
            From::Normal => Init::Normal { mean: 0.0, std: 1.0 }.weight(&key, &self.shape, seed),
            From::Below(n) => {
                let whole = |u: f64| ((u * n as f64) as usize).min(n - 1) as i32;
                HostTensor::i32(&self.shape, unit().into_iter().map(whole).collect())
            }
            From::Ones(p) => {
                HostTensor::f32(&self.shape, unit().into_iter().map(|u| if u < p { 1.0 } else { 0.0 }).collect())
            }
        }
    }
}

/// Adds to `batch`, the batch of this `number`, what it draws.
pub fn add(batch: &mut Tensors, draws: &[Draw], seed: u64, number: u64) {
    batch.extend(draws.iter().map(|d| (d.name.clone(), d.tensor(seed, number))));
}

//! A mixture density network on the inverse problem of Bishop 1994: `x = y + 0.3·sin(2πy) + noise`, asked the other way
//! round. Between 0.3 and 0.7 three values of `y` belong to one of `x`, and their mean is none of them.
//!
//! `cargo run --release --example mixture_density` writes the density, with data and modes, to `mixture_density/`.

use std::f64::consts::TAU;
use std::path::PathBuf;

use clap::Parser;
use handmill::engine::Engine;
use handmill::train::run::Run;
use handmill::{HostTensor, Result};
use serde_json::json;

#[path = "fit/mod.rs"]
mod fit;
#[path = "mixture_density/picture.rs"]
mod picture;

/// Trains a mixture density network, and one with a single Gaussian, on the inverse of a function
#[derive(Parser)]
pub struct Args {
    /// Gaussians of the mixture
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    components: u16,
    /// Units of the hidden layer
    #[arg(long, default_value_t = 20)]
    hidden_size: u16,
    /// Pairs of numbers to learn from
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(10..))]
    samples: u16,
    /// Updates of the weights
    #[arg(long, default_value_t = 1000)]
    steps: u32,
    /// The learning rate at its highest
    #[arg(long, default_value_t = 0.02)]
    lr: f64,
    /// Of the first weights and the numbers
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results
    #[arg(long, value_name = "DIR", default_value = "mixture_density")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("mixture_density: {e}");
        std::process::exit(1);
    }
}

/// Trains both, and returns the mean negative log likelihood of other numbers: of the mixture, and of one Gaussian.
pub fn run(args: &Args) -> Result<[f64; 2]> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let [old, new] = [0, 1].map(|part| inverse(usize::from(args.samples), u64::from(args.seed) * 2 + part));
    let mut trained = vec![];
    for components in [args.components, 1] {
        let config = json!({
            "architectures": ["MixtureDensityNetwork"], "in_features": 1, "hidden_sizes": [args.hidden_size],
            "num_components": components, "out_features": 1,
        });
        let train = json!({
            "loss": "mdn_nll", "optimizer": {"name": "adam", "lr": args.lr}, "steps": args.steps, "seed": args.seed,
            "schedule": {"name": "one_cycle", "total_steps": args.steps, "pct_start": 0.1}, "clip_grad_norm": 10.0,
        });
        let out = if trained.is_empty() { args.out.clone() } else { args.out.join("one_gaussian") };
        trained.push(fit::fit(&config, &train, &columns(&old), old.len(), &engine, &out)?);
    }
    let found = [likelihood(&trained[0], &new)?, likelihood(&trained[1], &new)?];
    picture::draw(&args.out, &trained[0], &old)?;
    let (k, steps) = (args.components, args.steps);
    println!("nats per new sample: {:.3} with {k} Gaussians, {:.3} with one, after {steps} steps", found[0], found[1]);
    println!("density.png, components.svg and the model are in {}, on {}", args.out.display(), engine.name());
    Ok(found)
}

/// Pairs `[x, y]` of Bishop's function.
fn inverse(n: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut next = fit::uniform(seed);
    let pair = |_| {
        let (y, noise) = (next(), 0.2 * next() - 0.1);
        [y + 0.3 * (TAU * y).sin() + noise, y]
    };
    (0..n).map(pair).collect()
}

/// The network takes and gives numbers from about −2 to 2, whose mean is near 0: on those from 0 to 1 its hidden units
/// would begin as straight lines, and its Gaussians as one.
const SCALE: f64 = 4.0;

fn seen(v: f64) -> f64 {
    SCALE * (v - 0.5)
}

/// The pairs as the network takes them.
fn columns(pairs: &[[f64; 2]]) -> [(&'static str, HostTensor); 2] {
    let column = |c: usize| HostTensor::f32(&[pairs.len(), 1], pairs.iter().map(|p| seen(p[c]) as f32).collect());
    [("input", column(0)), ("target", column(1))]
}

fn likelihood(trained: &Run, pairs: &[[f64; 2]]) -> Result<f64> {
    let nll = trained.trainer().context().run(&fit::tensors(&columns(pairs)))?["nll"].to_f64();
    Ok(nll.iter().sum::<f64>() / nll.len() as f64 - SCALE.ln())
}

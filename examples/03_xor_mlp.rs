//! What one layer cannot do: a multi-layer perceptron learns XOR, or to tell two moons or two spirals apart.
//!
//! `cargo run --release --example xor_mlp` writes `xor_mlp/boundary.png`, the probability of the second class over the
//! plane. `--data moons` and `--data spirals` are harder.

use std::path::PathBuf;

use clap::Parser;
use handmill::engine::Engine;
use handmill::programs::Context;
use handmill::{HostTensor, Result};
use serde_json::json;

#[path = "fit/mod.rs"]
mod fit;
#[path = "xor_mlp/points.rs"]
mod points;

use points::Kind;

/// Trains a multi-layer perceptron on points of two classes
#[derive(Parser)]
pub struct Args {
    /// The points
    #[arg(long, value_enum, default_value = "xor")]
    data: Kind,
    /// Sizes of the hidden layers; 8 of xor, 16,16 of moons, 32,32 of spirals
    #[arg(long, value_delimiter = ',')]
    hidden_sizes: Vec<u16>,
    /// Updates of the weights; 300 of xor, 1000 of the others
    #[arg(long)]
    steps: Option<u32>,
    /// Learning rate
    #[arg(long, default_value_t = 0.03)]
    lr: f64,
    /// Of the first weights and the points
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results
    #[arg(long, value_name = "DIR", default_value = "xor_mlp")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("xor_mlp: {e}");
        std::process::exit(1);
    }
}

/// Trains, and returns the share of the points that are on their side of the boundary.
pub fn run(args: &Args) -> Result<f64> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (x, y) = args.data.points(u64::from(args.seed));
    let (hidden, steps): (&[u16], u32) = match args.data {
        Kind::Xor => (&[8], 300),
        Kind::Moons => (&[16, 16], 1000),
        Kind::Spirals => (&[32, 32], 1000),
    };
    let hidden = if args.hidden_sizes.is_empty() { hidden } else { &args.hidden_sizes };
    let steps = args.steps.unwrap_or(steps);
    let config = json!({
        "architectures": ["MLP"], "in_features": 2, "hidden_sizes": hidden, "out_features": 1, "activation": "tanh",
    });
    let train = json!({
        "loss": "binary_cross_entropy_with_logits", "optimizer": {"name": "adam", "lr": args.lr}, "steps": steps,
        "seed": args.seed, "init": "xavier_uniform",
    });
    let rows = [("input", input(&x)), ("target", HostTensor::f32(&[y.len(), 1], y.clone()))];
    let trained = fit::fit(&config, &train, &rows, y.len(), &engine, &args.out)?;
    let context = trained.trainer().context();

    let found = probabilities(&context, &x)?;
    let right = found.iter().zip(&y).filter(|(p, y)| (**p >= 0.5) == (**y == 1.0)).count();
    if args.data == Kind::Xor {
        x.iter().zip(&found).for_each(|(x, p)| println!("{} xor {} = {p:.3}", x[0], x[1]));
    }
    points::draw(&args.out.join("boundary.png"), &x, &y, |places| probabilities(&context, places))?;
    let loss = trained.curve().column("loss").last().map_or(f32::NAN, |last| last.1);
    println!("{right} of {} points right, loss {loss:.4} after {steps} steps on {}", y.len(), engine.name());
    println!("boundary.png and the model are in {}", args.out.display());
    Ok(right as f64 / y.len() as f64)
}

fn input(x: &[[f64; 2]]) -> HostTensor {
    HostTensor::f32(&[x.len(), 2], x.iter().flatten().map(|&v| v as f32).collect())
}

fn probabilities(context: &Context, x: &[[f64; 2]]) -> Result<Vec<f64>> {
    let logits = context.run(&fit::tensors(&[("input", input(x))]))?["output"].to_f64();
    Ok(logits.into_iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect())
}

//! What one layer cannot do: a multi-layer perceptron learns XOR, or to tell two moons or two spirals apart.
//!
//! `cargo run --release --example xor_mlp` writes `xor_mlp/boundary.png`, the probability of the second class over the plane.
//! `--data moons` and `--data spirals` are harder.

use std::f64::consts::{PI, TAU};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use handmill::engine::Engine;
use handmill::programs::Context;
use handmill::{HostTensor, Result};
use serde_json::json;

#[path = "fit/mod.rs"]
mod fit;
#[path = "figures/plane.rs"]
mod plane;

use plane::{BLACK, BLUE, ORANGE, Plane};

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

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Xor,
    Moons,
    Spirals,
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
    draw(args, &context, &x, &y)?;
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

fn draw(args: &Args, context: &Context, x: &[[f64; 2]], y: &[f32]) -> Result<()> {
    let end = |axis: usize, sign: f64| x.iter().map(|p| sign * p[axis]).fold(f64::NEG_INFINITY, f64::max);
    let span = (end(0, 1.0) + end(0, -1.0)).max(end(1, 1.0) + end(1, -1.0));
    let middle = [0, 1].map(|axis| (end(axis, 1.0) - end(axis, -1.0)) / 2.0);
    let [low, high] = [-0.65, 0.65].map(|side| middle.map(|m| m + side * span));
    let mut plane = Plane::new(low, high, 180);
    let found = probabilities(context, &plane.places())?;
    // The boundary is a thin line: where the logit is near 0.
    plane.paint(found.iter().map(|p| plane::diverging((2.0 * p - 1.0) * 0.75)));
    for (&point, &y) in x.iter().zip(y) {
        let radius = if x.len() < 10 { 9.0 } else { 4.0 };
        plane.dot(point, radius + 1.5, BLACK, 1.0);
        plane.dot(point, radius, if y == 1.0 { ORANGE } else { BLUE }, 1.0);
    }
    plane.write(&args.out.join("boundary.png"))
}

impl Kind {
    /// Points and their classes, 0 and 1 in turn.
    fn points(self, seed: u64) -> (Vec<[f64; 2]>, Vec<f32>) {
        let mut next = fit::uniform(seed);
        let mut noise = |size: f64| size * (next() + next() + next() - 1.5);
        let n = if self == Kind::Xor { 4 } else { 200 };
        let point = |i: usize| {
            let (class, t) = ((i % 2) as f64, (i / 2) as f64 / (n / 2) as f64);
            let sign = 1.0 - 2.0 * class;
            match self {
                Kind::Xor => [f64::from(i as u8 / 2), f64::from((i as u8 / 2) ^ (i as u8 % 2))],
                Kind::Moons => {
                    [sign * (PI * t).cos() + class + noise(0.2), sign * (PI * t).sin() + 0.5 * class + noise(0.2)]
                }
                Kind::Spirals => {
                    let (radius, angle) = (0.1 + t, 1.5 * TAU * t);
                    [sign * radius * angle.cos() + noise(0.04), sign * radius * angle.sin() + noise(0.04)]
                }
            }
        };
        ((0..n).map(point).collect(), (0..n).map(|i| (i % 2) as f32).collect())
    }
}

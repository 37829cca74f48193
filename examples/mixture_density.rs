//! A mixture density network on the inverse problem of Bishop 1994: `x = y + 0.3·sin(2πy) + noise`, asked the other way
//! round. Between 0.3 and 0.7 three values of `y` belong to one of `x`, and their mean is none of them.
//!
//! `cargo run --release --example mixture_density` writes the density, with data and modes, to `mixture_density/`.

use std::f64::consts::TAU;
use std::path::PathBuf;

use clap::Parser;
use handmill::engine::{Engine, Tensors};
use handmill::train::run::Run;
use handmill::{HostTensor, Result};
use serde_json::json;

#[path = "figures/chart.rs"]
mod chart;
#[path = "fit/mod.rs"]
mod fit;
#[path = "figures/plane.rs"]
mod plane;

use chart::{Chart, Mark, Series};
use plane::{BLACK, ORANGE, Plane};

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
    #[arg(long, default_value_t = 2000)]
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
    let [seen, new] = [0, 1].map(|part| inverse(usize::from(args.samples), u64::from(args.seed) * 2 + part));
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
        trained.push(fit::fit(&config, &train, &columns(&seen), seen.len(), &engine, &out)?);
    }
    let found = [likelihood(&trained[0], &new)?, likelihood(&trained[1], &new)?];
    draw(args, &trained[0], &seen)?;
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

/// The pairs as the network takes them.
fn columns(pairs: &[[f64; 2]]) -> [(&'static str, HostTensor); 2] {
    let column = |c: usize| HostTensor::f32(&[pairs.len(), 1], pairs.iter().map(|p| p[c] as f32).collect());
    [("input", column(0)), ("target", column(1))]
}

fn likelihood(trained: &Run, pairs: &[[f64; 2]]) -> Result<f64> {
    let nll = trained.trainer().context().run(&fit::tensors(&columns(pairs)))?["nll"].to_f64();
    Ok(nll.iter().sum::<f64>() / nll.len() as f64)
}

/// The mixtures at `x`: of each, its components' weights, means and deviations.
fn mixtures(trained: &Run, x: &[f64]) -> Result<Vec<Vec<[f64; 3]>>> {
    let input = HostTensor::f32(&[x.len(), 1], x.iter().map(|&x| x as f32).collect());
    let found: Tensors = trained.trainer().context().run(&fit::tensors(&[("input", input)]))?;
    let [pi, mu, sigma] = ["pi", "mu", "sigma"].map(|name| found[name].to_f64());
    let k = pi.len() / x.len();
    Ok((0..x.len()).map(|b| (b * k..(b + 1) * k).map(|at| [pi[at], mu[at], sigma[at]]).collect()).collect())
}

fn draw(args: &Args, trained: &Run, pairs: &[[f64; 2]]) -> Result<()> {
    let mut plane = Plane::new([-0.1, -0.1], [1.1, 1.1], 200);
    let (across, up) = (plane.along(0), plane.along(1));
    let mixtures = mixtures(trained, &across)?;
    let normal =
        |y: f64, [pi, mu, sigma]: [f64; 3]| pi / (sigma * TAU.sqrt()) * (-0.5 * ((y - mu) / sigma).powi(2)).exp();
    let density = |mixture: &[[f64; 3]], y: f64| mixture.iter().map(|&c| normal(y, c)).sum::<f64>();
    let columns: Vec<Vec<f64>> = mixtures.iter().map(|m| up.iter().map(|&y| density(m, y)).collect()).collect();
    let most = columns.iter().flatten().copied().fold(0.0, f64::max);
    let cells = (0..up.len()).flat_map(|j| columns.iter().map(move |column| column[j]));
    plane.paint(cells.map(|p| plane::rising((p / most).sqrt())));
    pairs.iter().for_each(|&pair| plane.dot(pair, 1.6, BLACK, 0.45));
    // Modes: where the density is higher than on both sides, and not next to nothing.
    for (x, column) in across.iter().zip(&columns) {
        let top = column.iter().copied().fold(0.0, f64::max);
        for j in 1..up.len() - 1 {
            if column[j] > column[j - 1] && column[j] >= column[j + 1] && column[j] > 0.1 * top {
                plane.dot([*x, up[j]], 2.5, ORANGE, 1.0);
            }
        }
    }
    plane.write(&args.out.join("density.png"))?;

    let mut series = vec![Series { name: "data", mark: Mark::Points, color: chart::GREY, points: vec![] }];
    series[0].points = pairs.iter().map(|p| (p[0], p[1])).collect();
    let names: Vec<String> = (1..=mixtures[0].len()).map(|k| format!("mean of Gaussian {k}")).collect();
    let colors = [chart::BLUE, chart::ORANGE, plotters::style::RGBColor(0, 140, 90)];
    for (k, name) in names.iter().enumerate() {
        // A component is drawn where the mixture uses it.
        let used = across.iter().zip(&mixtures).filter(|(_, m)| m[k][0] > 0.1);
        let points = used.map(|(&x, m)| (x, m[k][1])).collect();
        series.push(Series { name, mark: Mark::Line, color: colors[k % colors.len()], points });
    }
    let title = "Components where their weight is above 0.1";
    Chart { title, axes: ["x", "y"], log: false }.write(&args.out.join("components.svg"), &series)
}

//! Linear regression twice: in closed form, by Cholesky factors of the normal equations, and by gradient descent.
//!
//! `cargo run --release --example linear_regression` fits how far cars take to stop (`data/cars`) and writes the points
//! with both lines, and the way of the descent, to `linear_regression/`. `--csv FILE --target COLUMN` fits other numbers.

use std::path::{Path, PathBuf};

use clap::Parser;
use handmill::config::Config;
use handmill::engine::Engine;
use handmill::models::named;
use handmill::programs::Context;
use handmill::{HostTensor, Result};
use serde_json::json;

#[path = "fit/mod.rs"]
mod fit;
#[path = "linear_regression/picture.rs"]
mod picture;
#[path = "linear_regression/table.rs"]
mod table;

use table::Table;

/// Fits a linear regression in closed form and by gradient descent
#[derive(Parser)]
pub struct Args {
    /// A table of numbers with names in its first line; the bundled cars without it
    #[arg(long, value_name = "FILE", requires = "target")]
    csv: Option<PathBuf>,
    /// The column that is fitted, from all others; dist of the cars
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    target: Option<String>,
    /// Steps of the descent
    #[arg(long, default_value_t = 60)]
    steps: u32,
    /// Its learning rate, of columns with mean 0 and deviation 1
    #[arg(long, default_value_t = 0.1)]
    lr: f64,
    /// Of the first weights
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results
    #[arg(long, value_name = "DIR", default_value = "linear_regression")]
    out: PathBuf,
}

/// A weight of each column, and the bias last.
pub struct Fits {
    /// In closed form
    pub closed: Vec<f64>,
    /// By descent
    pub descent: Vec<f64>,
    /// The share of the variance that the first explains
    pub r2: f64,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("linear_regression: {e}");
        std::process::exit(1);
    }
}

/// Fits both ways, prints the figures and draws the charts.
pub fn run(args: &Args) -> Result<Fits> {
    let cars = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cars/cars.csv");
    let (path, target) = (args.csv.as_ref().unwrap_or(&cars), args.target.as_deref().unwrap_or("dist"));
    let table = Table::read(path, target)?;
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (rows, n) = (table.y.len(), table.names.len());
    let y = HostTensor::f32(&[rows, 1], table.y.clone());

    let config = json!({"architectures": ["LinearRegression"], "in_features": n, "out_features": 1});
    let context = {
        let config = Config::parse("config.json", &config.to_string())?;
        Context::random(named("LinearRegression")?, config, &engine, u64::from(args.seed))?
    };
    let x = HostTensor::f32(&[rows, n], table.x.clone());
    let solved = context.run(&fit::tensors(&[("input", x), ("target", y.clone())]))?;
    let closed = [solved["solution.weight"].to_f64(), solved["solution.bias"].to_f64()].concat();

    // Columns of one mean and deviation: a descent on others would crawl.
    let (x, moments) = table.standardised();
    let train =
        json!({"loss": "mse", "optimizer": {"name": "sgd", "lr": args.lr}, "steps": args.steps, "seed": args.seed});
    let rows_of = [("input", HostTensor::f32(&[rows, n], x)), ("target", y)];
    let trained = fit::fit(&config, &train, &rows_of, rows, &engine, &args.out)?;
    let weights = trained.result()?;
    let mut descent: Vec<f64> = weights["weight"].to_f64().iter().zip(&moments).map(|(w, (_, s))| w / s).collect();
    let means: f64 = descent.iter().zip(&moments).map(|(w, (mean, _))| w * mean).sum();
    descent.push(weights["bias"].to_f64()[0] - means);

    let ((best, r2), (left, _)) = (table.errors(&closed), table.errors(&descent));
    for (i, name) in table.names.iter().map(String::as_str).chain(["bias"]).enumerate() {
        println!("{name:>12}  closed form {:>14.6}  descent {:>14.6}", closed[i], descent[i]);
    }
    println!("{rows} rows, R² {r2:.4}; after {} steps the descent's error is {:.1e} above it", args.steps, left - best);
    picture::draw(&args.out, &table, [&closed, &descent], best, trained.curve().column("loss"))?;
    println!("fit.svg and descent.svg are in {}, on {}", args.out.display(), engine.name());
    Ok(Fits { closed, descent, r2 })
}

//! Trains seven models on the bundled digits, from drawn weights: classifiers, autoencoders, and models that make digits
//! up. Each has a recipe beside this file: its `config.json` and `train.json`.
//!
//! `cargo run --release --example train_digits -- --model lenet` writes a model folder, `train_digits/lenet`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::file::write_atomic;
use handmill::json::Value;
use handmill::models::{self, Loaded};
use handmill::programs::Context;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::{Data, Dataset};
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::weights::{load_tensors, save_tensors};
use handmill::{Error, HostTensor, Result};

#[path = "train_digits/judge.rs"]
mod judge;
#[path = "train_digits/picture.rs"]
mod picture;

use judge::Judge;

#[derive(Parser)]
#[command(about = "Trains a model on 1,437 handwritten digits and judges it by 360 others")]
struct Args {
    /// What is trained
    #[arg(long)]
    model: Kind,
    /// Updates of the weights; the recipe's without it, as for the next two
    #[arg(long)]
    steps: Option<u32>,
    /// Examples of a batch
    #[arg(long)]
    batch_size: Option<u16>,
    /// Learning rate; of a gan, that of both networks
    #[arg(long)]
    lr: Option<f64>,
    /// Of the first weights, the order of the digits, and all noise
    #[arg(long)]
    seed: Option<u32>,
    /// Digits in a picture
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=360))]
    samples: u16,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results; train_digits/MODEL without it
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Mlp,
    Lenet,
    Autoencoder,
    Denoising,
    Vae,
    Gan,
    Ddpm,
}

/// Digits, with ink from 0 to 1.
struct Digits {
    ink: Vec<f32>,
    labels: Vec<i32>,
}

/// How a model is made and trained: `config.json`, `train.json`, and what only the data knows.
struct Recipe {
    config: Value,
    train: Value,
    batch_size: usize,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("train_digits: {e}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (kind, recipe) = (args.model, Recipe::of(args)?);
    let name = kind.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let out = args.out.clone().unwrap_or_else(|| Path::new("train_digits").join(&name));
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let [training, held_out] = Digits::open()?;

    let start = Instant::now();
    let mut run = prepare(kind, &recipe, [&training, &held_out], &engine, &out)?;
    run.finish()?;
    recipe.write(&out)?;
    let (steps, batch, seed) = (run.trainer().done(), recipe.batch_size, run.trainer().task().settings.seed);
    let (seconds, on) = (start.elapsed().as_secs_f64(), engine.name());
    println!("{name}: {steps} steps of {batch} digits with seed {seed} in {seconds:.0} s on {on}");
    let last = |name: &str| run.curve().column(name).last().map_or(f32::NAN, |(_, loss)| *loss);
    match kind {
        Kind::Gan => {
            println!("last losses {:.4} (discriminator) and {:.4} (generator)", last("d_loss"), last("g_loss"))
        }
        _ => println!("held-out loss {:.4}", run.validate()?),
    }
    if !matches!(kind, Kind::Gan | Kind::Ddpm) {
        let (name, x) = kind.input(&held_out);
        save_tensors(out.join("held_out.safetensors"), &[(name.to_owned(), x)], true)?;
    }

    // The model as its folder has it, which `handmill run --model` takes too.
    let (context, _) = Context::open(&Loaded::open(&out)?, &engine)?;
    let judge = Judge { kind, context, folder: &out, held_out, samples: usize::from(args.samples), seed };
    let (sentence, pictures) = judge.verdict()?;
    sentence.iter().for_each(|text| println!("{text}"));
    for (name, bands) in pictures {
        let path = out.join(name);
        picture::grid(&bands).save(&path).map_err(|e| Error::file(&path, e.to_string()))?;
    }
    println!("the model, its pictures, train.json and losses are in {}", out.display());
    Ok(())
}

/// The run that `recipe` describes, with its results in `out`.
fn prepare(
    kind: Kind,
    recipe: &Recipe,
    [training, held_out]: [&Digits; 2],
    engine: &Engine,
    out: &Path,
) -> Result<Run<'static>> {
    let text = recipe.config.to_string();
    let config = Config::parse("config.json", &text)?;
    let settings = Settings::read(&Config::parse("train.json", &recipe.train.to_string())?, out)?;
    // A GAN has no loss that tells how good its digits are.
    let judged = (kind != Kind::Gan).then(|| kind.examples(held_out)).transpose()?;
    let data = Data::rows(kind.examples(training)?, judged, recipe.batch_size, true, settings.seed)?;
    let architecture = recipe.config.pointer("/architectures/0").or(recipe.config.get("_class_name"));
    let model = models::named(architecture.and_then(Value::as_str).unwrap_or_default())?;
    let options = Options {
        how: How::default(),
        out: out.to_owned(),
        resume: None,
        gradients: None,
        config_fingerprint: fingerprint(text.as_bytes()),
        stop: None,
        verbose: true,
    };
    Run::new(Task { model, config, settings, keys: None }, data, None, engine, options)
}

impl Digits {
    /// Those to train on, and every fifth, which is held out.
    fn open() -> Result<[Digits; 2]> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits/digits.safetensors");
        let all = load_tensors(path)?;
        let (images, labels) = (all["images"].to_f64(), all["labels"].as_i32()?);
        Ok([false, true].map(|held_out| {
            let wanted = |n: usize| n.is_multiple_of(5) == held_out;
            let ink = images.chunks(64).enumerate().filter(|(n, _)| wanted(*n));
            let labels = labels.iter().enumerate().filter(|(n, _)| wanted(*n));
            Digits {
                ink: ink.flat_map(|(_, image)| image).map(|&v| v as f32 / 16.0).collect(),
                labels: labels.map(|(_, &label)| label).collect(),
            }
        }))
    }

    fn first(&self, n: usize) -> Digits {
        Digits { ink: self.ink[..n * 64].to_vec(), labels: self.labels[..n].to_vec() }
    }
}

impl Kind {
    fn recipe(self) -> &'static str {
        match self {
            Kind::Mlp => include_str!("train_digits/mlp.json"),
            Kind::Lenet => include_str!("train_digits/lenet.json"),
            Kind::Autoencoder => include_str!("train_digits/autoencoder.json"),
            Kind::Denoising => include_str!("train_digits/denoising.json"),
            Kind::Vae => include_str!("train_digits/vae.json"),
            Kind::Gan => include_str!("train_digits/gan.json"),
            Kind::Ddpm => include_str!("train_digits/ddpm.json"),
        }
    }

    /// Digits as the model takes them: rows of 64 or images, with ink from 0 to 1, or from −1 to 1 where digits are
    /// made of noise.
    fn input(self, digits: &Digits) -> (&'static str, HostTensor) {
        let (n, ink) = (digits.labels.len(), digits.ink.clone());
        match self {
            Kind::Mlp | Kind::Autoencoder | Kind::Denoising | Kind::Vae => ("input", HostTensor::f32(&[n, 64], ink)),
            Kind::Lenet => ("pixel_values", HostTensor::f32(&[n, 1, 8, 8], ink)),
            Kind::Gan | Kind::Ddpm => {
                ("input", HostTensor::f32(&[n, 1, 8, 8], ink.iter().map(|v| 2.0 * v - 1.0).collect()))
            }
        }
    }

    fn examples(self, digits: &Digits) -> Result<Dataset> {
        let ((name, x), labels) = (self.input(digits), digits.labels.clone());
        let target = HostTensor::i32(&[labels.len()], labels);
        Dataset::new(Tensors::from([(name.to_owned(), x), ("target".to_owned(), target)]))
    }
}

impl Recipe {
    /// The recipe of the model, with what the command line says otherwise.
    fn of(args: &Args) -> Result<Recipe> {
        let recipe = Config::parse("the recipe", args.model.recipe())?;
        let part = |key: &str| recipe.get(key).cloned().unwrap_or_default();
        let mut train = part("train");
        let steps = args.steps.map(Value::from);
        let changes = [
            ("/seed", args.seed.map(Value::from)),
            ("/steps", steps.clone()),
            ("/schedule/total_steps", steps),
            ("/optimizer/lr", args.lr.map(Value::from)),
            ("/optimizers/discriminator/lr", args.lr.map(Value::from)),
            ("/optimizers/generator/lr", args.lr.map(Value::from)),
        ];
        for (place, value) in changes {
            if let (Some(slot), Some(value)) = (train.pointer_mut(place), value) {
                *slot = value;
            }
        }
        let batch_size = args.batch_size.map_or_else(|| recipe.required_usize("batch_size"), usize::from);
        recipe.finish()?;
        Ok(Recipe { config: part("config"), train, batch_size })
    }

    /// Writes what belongs in a model folder, and the settings; samplers of a diffusion model read its schedule.
    fn write(&self, out: &Path) -> Result<()> {
        let schedule = self.train.get("loss_args").filter(|args| args.get("beta_schedule").is_some());
        let files = [
            ("config.json", Some(&self.config)),
            ("train.json", Some(&self.train)),
            ("scheduler_config.json", schedule),
        ];
        for (name, value) in files {
            let Some(value) = value else { continue };
            write_atomic(&out.join(name), |file| writeln!(file, "{value:#}"))?;
        }
        Ok(())
    }
}

//! Trains seven models on the bundled digits, from drawn weights: classifiers, autoencoders, and models that make digits
//! up. Each has a recipe beside this file: its `config.json` and `train.json`.
//!
//! `cargo run --release --example train_digits -- --model lenet` writes a model folder, `train_digits/lenet`.

use std::path::Path;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use handmill::config::Config;
use handmill::engine::Engine;
use handmill::json::Value;
use handmill::models::{self, Loaded};
use handmill::programs::Context;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::Data;
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::weights::save_tensors;
use handmill::{Error, Result};

#[path = "train_digits/args.rs"]
mod args;
#[path = "train_digits/digits.rs"]
mod digits;
#[path = "train_digits/judge.rs"]
mod judge;
#[path = "train_digits/picture.rs"]
mod picture;
#[path = "train_digits/recipe.rs"]
mod recipe;

use args::{Args, Kind};
use digits::Digits;
use judge::Judge;
use recipe::Recipe;

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

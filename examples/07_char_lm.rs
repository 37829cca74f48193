//! A model of characters learns to write, by truncated back-propagation through time over streams of text (a GPT: over
//! windows), and shows on the way what it writes.
//!
//! ```text
//! cargo run --release --example char_lm
//! cargo run --release --example char_lm -- --model lstm --text FILE --hidden-size 256 --time 64 --steps 20000
//! cargo run --release --example char_lm -- --model gpt --corpus dates
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use handmill::config::Config;
use handmill::engine::Engine;
use handmill::file::write_atomic;
use handmill::models::named;
use handmill::programs::sample::Sampling;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::Vocabulary;
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::{Error, Result};

#[path = "char_lm/args.rs"]
mod args;
#[path = "common/calendar.rs"]
mod calendar;
#[path = "char_lm/corpus.rs"]
mod corpus;
#[path = "char_lm/recipe.rs"]
mod recipe;
#[path = "char_lm/writer.rs"]
mod writer;

pub use args::Args;
use args::Kind;
use writer::{SAMPLE, Writer};

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

/// Trains, and returns how many of the lines held out are completed as they were.
pub fn run(args: &Args) -> Result<usize> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (path, held_out) = corpus::text(args)?;
    let settings =
        Settings::read(&Config::parse("char_lm", &recipe::settings(args, &path).to_string())?, Path::new(""))?;
    let Some(source) = &settings.data else { return Err(Error::config("char_lm", "names no data")) };
    let data = source.open(args.seed)?;
    let vocabulary = data.vocabulary.clone().unwrap_or_else(|| Vocabulary::of(""));
    let config = recipe::config(args, vocabulary.size()).to_string();
    let model = named(if args.model == Kind::Gpt { "GPT2LMHeadModel" } else { "CharLanguageModel" })?;
    let task = Task { model, config: Config::parse("config.json", &config)?, settings, keys: None };
    let options = Options {
        how: How::default(),
        out: args.out.clone(),
        resume: None,
        gradients: None,
        config_fingerprint: fingerprint(config.as_bytes()),
        stop: None,
        verbose: false,
    };
    let mut run = Run::new(task, data, None, &engine, options)?;
    let dispatches: usize = run.trainer().totals().iter().map(|t| t.dispatches).sum();
    println!("{} different characters; a step is {dispatches} dispatches on {}", vocabulary.size(), engine.name());
    let context = run.trainer().context();
    let mut writer = Writer::open(&context, args, vocabulary)?;
    let (mut began, mut spent) = (Instant::now(), Duration::ZERO);
    run.finish_with(|trainer, recorded| {
        spent += began.elapsed();
        if trainer.done().is_multiple_of(args.every) || trainer.done() == args.steps() {
            let values: String = recorded.iter().map(|(name, value)| format!("  {name} {value:.4}")).collect();
            let rate = trainer.done() as f64 / spent.as_secs_f64();
            println!("step {}/{}{values}  {rate:.1} steps/s", trainer.done(), args.steps());
            let sampling = Sampling { temperature: args.temperature, seed: trainer.done(), ..Sampling::default() };
            let written = writer.write(&writer.begin(), SAMPLE, sampling, None)?;
            println!("    {}", written.trim().replace('\n', "\n    "));
        }
        began = Instant::now();
        Ok(())
    })?;
    write_atomic(&args.out.join("config.json"), |out| writeln!(out, "{config}"))?;
    let mut right = 0;
    for (question, answer) in &held_out {
        let written = writer.write(&format!("\n{question}"), answer.len() + 4, Sampling::default(), Some("\n"))?;
        right += usize::from(written == *answer);
    }
    if !held_out.is_empty() {
        let share = 100.0 * right as f64 / held_out.len() as f64;
        println!("{right} of {} held-out lines are completed exactly, {share:.1} %", held_out.len());
    }
    println!("results in {}", args.out.display());
    Ok(right)
}

//! Learns to translate dates into ISO 8601, or numbers in words into digits, and shows where it looks.
//!
//! ```text
//! cargo run --release --example translate
//! cargo run --release --example translate -- --task numbers --model transformer --show "four hundred and two"
//! cargo run --release --example translate -- --load translate/dates-attention
//! ```

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use handmill::Result;
use handmill::engine::Engine;

#[path = "common/calendar.rs"]
mod calendar;
#[path = "translate/dates.rs"]
mod dates;
#[path = "common/heat_map.rs"]
mod heat_map;
#[path = "translate/kind.rs"]
pub mod kind;
#[path = "common/learn.rs"]
mod learn;
#[path = "translate/numbers.rs"]
pub mod numbers;
#[path = "translate/pairs.rs"]
pub mod pairs;
#[path = "translate/show.rs"]
mod show;
#[path = "translate/translator.rs"]
pub mod translator;
#[path = "common/words.rs"]
pub mod words;

use kind::Kind;
use learn::{Lesson, learn};
use pairs::Subject;
use translator::{Translator, examples, vocabularies};

/// Learns to translate, judges itself by texts it has not seen, and translates lines of yours.
#[derive(Parser)]
pub struct Args {
    /// What is translated
    #[arg(long, value_enum, default_value = "dates")]
    task: Subject,
    /// What translates
    #[arg(long, value_enum, default_value = "attention")]
    model: Kind,
    /// Updates of the weights; 400, or 600 of a Transformer
    #[arg(long)]
    steps: Option<u32>,
    /// Pairs of a step
    #[arg(long, default_value_t = 64)]
    batch_size: u16,
    /// Width of the model, a multiple of 4
    #[arg(long, default_value_t = 64)]
    hidden_size: usize,
    /// The learning rate at its highest; 0.005, or 0.003 of a Transformer
    #[arg(long)]
    lr: Option<f64>,
    /// Of weights and pairs
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Translate this and draw where the model looks; may be given again
    #[arg(long, value_name = "TEXT")]
    show: Vec<String>,
    /// Translate with the model of this folder, the texts of --show or lines from the standard input
    #[arg(long, value_name = "DIR")]
    load: Option<PathBuf>,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results; translate/TASK-MODEL without it, or that of --load
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("translate: {e}");
        std::process::exit(1);
    }
}

/// Returns how many of the held-out texts it translates exactly, as a fraction; nothing where a model is loaded.
pub fn run(args: &Args) -> Result<Option<f64>> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    if let Some(folder) = &args.load {
        let translator = Translator::open(folder, &engine)?;
        translator.show_all(&args.show, args.out.as_ref().unwrap_or(folder))?;
        return if args.show.is_empty() { translator.lines() } else { Ok(()) }.map(|()| None);
    }
    let name = |value: Option<clap::builder::PossibleValue>| value.map_or_else(String::new, |v| v.get_name().into());
    let [task, model]: [String; 2] = [name(args.task.to_possible_value()), name(args.model.to_possible_value())];
    let out = args.out.clone().unwrap_or_else(|| Path::new("translate").join(format!("{task}-{model}")));
    let [training, held_out] = args.task.pairs(args.seed.into());
    let words = vocabularies(&training);
    let words = [&words[0], &words[1]];
    // Both at once, so that their rows are of one length.
    let (rows, length) = examples(args.model, &[&training[..], &held_out].concat(), words)?;
    let (rows, judged) = rows.split(&(training.len()..training.len() + held_out.len()).collect::<Vec<_>>())?;
    let train = args.model.settings(args.steps, args.lr, args.seed);
    let config = args.model.config(args.hidden_size, words, length);
    learn(Lesson { config, train, rows, held_out: judged, batch_size: args.batch_size.into() }, &engine, &out)?;
    words[0].save(&out.join("source_vocab.json"))?;
    words[1].save(&out.join("target_vocab.json"))?;

    let translator = Translator::open(&out, &engine)?;
    let texts: Vec<String> = held_out.iter().map(|pair| pair.source.clone()).collect();
    let found = translator.translate(&texts)?;
    let wrong: Vec<_> = held_out.iter().zip(&found).filter(|(pair, found)| pair.target != **found).collect();
    wrong.iter().take(3).for_each(|(p, found)| println!("wrong: {} -> {found}, expected {}", p.source, p.target));
    let (right, share) = (held_out.len() - wrong.len(), 1.0 - wrong.len() as f64 / held_out.len() as f64);
    println!("{right} of {} held-out {task} are translated exactly, {:.1} %", held_out.len(), 100.0 * share);
    translator.show_all(if args.show.is_empty() { &texts[..3] } else { &args.show }, &out)?;
    println!("the model, its vocabularies, pictures and loss.svg are in {}", out.display());
    Ok(Some(share))
}

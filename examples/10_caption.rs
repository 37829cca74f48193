//! Learns to say what is in a picture of coloured shapes, and shows where it looks for every word.
//!
//! ```text
//! cargo run --release --example caption
//! ```

use std::path::PathBuf;

use clap::Parser;
use handmill::Result;
use handmill::engine::{Engine, Tensors};
use handmill::models::Loaded;
use handmill::programs::Context;
use serde_json::json;

#[path = "common/heat_map.rs"]
mod heat_map;
#[path = "common/learn.rs"]
mod learn;
#[path = "caption/picture.rs"]
mod picture;
#[path = "caption/scene.rs"]
pub mod scene;
#[path = "common/words.rs"]
pub mod words;

use learn::{Lesson, learn, save};
use scene::{CHANNELS, examples, scenes, split};
use words::{END, PAD, START, Words};

/// Learns captions of pictures, and judges itself by captions it has not seen.
#[derive(Parser)]
pub struct Args {
    /// Updates of the weights
    #[arg(long, default_value_t = 1500)]
    steps: u32,
    /// Pictures of a step
    #[arg(long, default_value_t = 32)]
    batch_size: u16,
    /// Size of the state
    #[arg(long, default_value_t = 64)]
    hidden_size: usize,
    /// The learning rate at its highest
    #[arg(long, default_value_t = 0.005)]
    lr: f64,
    /// Of weights and pictures
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Pictures that are drawn with what the model sees
    #[arg(long, default_value_t = 4)]
    samples: u8,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results
    #[arg(long, value_name = "DIR", default_value = "caption")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("caption: {e}");
        std::process::exit(1);
    }
}

/// Returns how many of the held-out pictures it describes exactly, as a fraction.
pub fn run(args: &Args) -> Result<f64> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let [training, held_out] = scenes(args.seed.into());
    let words = Words::of(training.iter().flat_map(|scene| split(&scene.caption())));
    let (rows, length) = examples(&[&training[..], &held_out].concat(), &words)?;
    let (rows, judged) = rows.split(&(training.len()..training.len() + held_out.len()).collect::<Vec<_>>())?;
    let pixels = judged.tensors()["pixel_values"].clone();
    let config = json!({
        "architectures": ["AttentionCaptioner"], "in_channels": CHANNELS, "conv_channels": [16, 32, 64],
        "vocab_size": words.size(), "embedding_dim": args.hidden_size / 2, "hidden_size": args.hidden_size,
        "attention_dim": args.hidden_size, "gated": true, "deep_output": true, "max_length": length,
        "pad_token_id": PAD, "start_token_id": START, "end_token_id": END,
    });
    let train = json!({
        "loss": "cross_entropy", "init": "kaiming_normal", "steps": args.steps,
        "seed": args.seed, "clip_grad_norm": 1.0, "validate_every": 250,
        "optimizer": {"name": "adam", "lr": args.lr},
        "schedule": {"name": "one_cycle", "total_steps": args.steps, "pct_start": 0.1},
    });
    let lesson = Lesson { config, train, rows, held_out: judged, batch_size: args.batch_size.into() };
    learn(lesson, &engine, &args.out)?;
    words.save(&args.out.join("vocab.json"))?;

    let (context, _) = Context::open(&Loaded::open(&args.out)?, &engine)?;
    let ids = context.run(&Tensors::from([("pixel_values".to_owned(), pixels.clone())]))?;
    let ids: Vec<Vec<i32>> = ids["generated_ids"].as_i32()?.chunks(length).map(<[i32]>::to_vec).collect();
    let found: Vec<Vec<String>> = ids.iter().map(|row| words.decode(row)).collect();
    let right = held_out.iter().zip(&found).filter(|(scene, found)| scene.caption() == found.join(" ")).count();
    for (scene, found) in held_out.iter().zip(&found).take(args.samples.into()) {
        println!("{}\n    is {}", found.join(" "), scene.caption());
    }
    let share = right as f64 / held_out.len() as f64;
    println!("{right} of {} held-out pictures are described exactly, {:.1} %", held_out.len(), 100.0 * share);
    let samples = held_out.len().min(args.samples.into());
    let looked = picture::looked(&context, &pixels, &ids, samples)?;
    save(&picture::captioned(&pixels, &found[..samples], &looked)?, &args.out.join("captions.png"))?;
    println!("the model, vocab.json, captions.png and loss.svg are in {}", args.out.display());
    Ok(share)
}

//! How alike sentences are: BERT's vectors of all tokens of a sentence, averaged, and the cosine between them.
//!
//! ```text
//! cargo run --release --example sentence_similarity -- --hub sentence-transformers/all-MiniLM-L6-v2 \
//!     "The miller grinds the grain." "Corn is being milled." "The train leaves at noon."
//! ```

use std::path::PathBuf;

use clap::Parser;
use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::folder::hub_cache;
use handmill::models::Loaded;
use handmill::models::transformers::bert::BERT;
use handmill::programs::Context;
use handmill::tensor::HostTensor;
use handmill::tokenizer::Tokenizer;

/// Prints the cosine similarity of sentences. Without a checkpoint the weights are random and words are
/// hashed to ids: the figures then mean nothing, but that equal sentences have similarity 1.
#[derive(Parser)]
struct Args {
    /// Model folder of the BERT family: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hub", "random"])]
    model: Option<PathBuf>,
    /// A model of the hub cache
    #[arg(long, value_name = "ORG/NAME", conflicts_with = "random")]
    hub: Option<String>,
    /// Random weights; the default where no checkpoint is named
    #[arg(long)]
    random: bool,
    /// Seed of random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The sentences
    #[arg(default_values = ["The miller grinds the grain.", "Corn is being milled.", "The train leaves at noon."])]
    sentences: Vec<String>,
}

/// The configuration of a random model.
const SMALL: &str =
    r#"{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (context, tokenizer) = model(args, &engine)?;
    let longest = context.config.usize("max_position_embeddings", 512);
    let mut batch = args.sentences.iter().map(|s| encode(tokenizer.as_ref(), s)).collect::<Result<Vec<_>>>()?;
    batch.iter_mut().for_each(|ids| ids.truncate(longest));
    if let Some(empty) = batch.iter().position(Vec::is_empty) {
        return Err(Error::config(format!("sentence {}", empty + 1), "has no tokens"));
    }
    let vectors = embed(&context, &batch)?;
    for (a, sentence) in vectors.iter().zip(&args.sentences) {
        for b in &vectors {
            print!("{:7.3}", a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>());
        }
        println!("  {sentence}");
    }
    Ok(())
}

/// The model and its tokenizer, or random weights without one.
fn model(args: &Args, engine: &Engine) -> Result<(Context, Option<Tokenizer>)> {
    let folder = args.hub.as_deref().map(hub_cache).transpose()?.or(args.model.clone());
    let Some(folder) = folder else {
        eprintln!("random weights and hashed words: the similarities mean nothing");
        let config = Config::parse("the random model", SMALL)?;
        return Ok((Context::random(&BERT, config, engine, args.seed)?, None));
    };
    let loaded = Loaded::open_as(&folder, &BERT)?;
    let (context, notices) = Context::open(&loaded, engine)?;
    notices.iter().for_each(|text| eprintln!("{text}"));
    Ok((context, Some(loaded.folder.tokenizer()?)))
}

/// Token ids; without a tokenizer a word is a hash.
fn encode(tokenizer: Option<&Tokenizer>, sentence: &str) -> Result<Vec<i32>> {
    let hash =
        |word: &str| 1 + (word.bytes().fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into())) % 30000) as i32;
    match tokenizer {
        Some(tokenizer) => tokenizer.encode(sentence, true),
        None => Ok(sentence.to_lowercase().split_whitespace().map(hash).chain([0]).collect()),
    }
}

/// A vector of length 1 for every sentence: the mean over its tokens.
fn embed(context: &Context, batch: &[Vec<i32>]) -> Result<Vec<Vec<f64>>> {
    let (rows, columns) = (batch.len(), batch.iter().map(Vec::len).max().unwrap_or(0));
    let padded = |token: &dyn Fn(i32) -> i32| {
        let row =
            |ids: &Vec<i32>| ids.iter().map(|&id| token(id)).chain(vec![0; columns - ids.len()]).collect::<Vec<_>>();
        HostTensor::i32(&[rows, columns], batch.iter().flat_map(row).collect())
    };
    let inputs: Tensors =
        [("input_ids".to_owned(), padded(&|id| id)), ("attention_mask".to_owned(), padded(&|_| 1))].into();
    let states = &context.run(&inputs)?["last_hidden_state"]; // (B, T, C)
    let width = states.len() / (rows * columns);
    let sentence = |(states, ids): (&[f32], &Vec<i32>)| {
        let mean = |c: usize| (0..ids.len()).map(|t| f64::from(states[t * width + c])).sum::<f64>() / ids.len() as f64;
        let mean: Vec<f64> = (0..width).map(mean).collect();
        let norm = mean.iter().map(|v| v * v).sum::<f64>().sqrt();
        mean.iter().map(|v| v / norm).collect()
    };
    Ok(states.as_f32()?.chunks(columns * width).zip(batch).map(sentence).collect())
}

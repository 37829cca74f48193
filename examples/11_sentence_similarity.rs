//! How alike sentences are: BERT's vectors of all tokens of a sentence, averaged, and the cosine between them.
//!
//! ```text
//! cargo run --release --example sentence_similarity -- --hub sentence-transformers/all-MiniLM-L6-v2 \
//!     "The miller grinds the grain." "Corn is being milled." "The train leaves at noon."
//! ```

#[path = "common/source.rs"]
mod source;

use clap::Parser;
use handmill::error::Result;
use handmill::models::transformers::bert::BERT;
use handmill::programs::Context;
use source::Source;

/// Prints the cosine similarity of sentences. Without a checkpoint the weights are random and ids stand for bytes:
/// the figures then mean nothing, but that equal sentences have similarity 1.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
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
    let opened = args.source.open(&BERT, SMALL)?;
    let (context, text) = (&opened.context, opened.text()?);
    let longest = context.config.usize("max_position_embeddings", 512);
    let batch = args.sentences.iter().map(|s| text.encode_within(s, longest)).collect::<Result<Vec<_>>>()?;
    let vectors = embed(context, &batch)?;
    for (a, sentence) in vectors.iter().zip(&args.sentences) {
        for b in &vectors {
            print!("{:7.3}", a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>());
        }
        println!("  {sentence}");
    }
    Ok(())
}

/// A vector of length 1 for every sentence: the mean over its tokens.
fn embed(context: &Context, batch: &[Vec<i32>]) -> Result<Vec<Vec<f64>>> {
    let columns = batch.iter().map(Vec::len).max().unwrap_or(0);
    let states = &context.run(&source::batch(batch))?["last_hidden_state"]; // (B, T, C)
    let width = states.len() / (batch.len() * columns);
    let sentence = |(states, ids): (&[f32], &Vec<i32>)| {
        let mean = |c: usize| (0..ids.len()).map(|t| f64::from(states[t * width + c])).sum::<f64>() / ids.len() as f64;
        let mean: Vec<f64> = (0..width).map(mean).collect();
        let norm = mean.iter().map(|v| v * v).sum::<f64>().sqrt();
        mean.iter().map(|v| v / norm).collect()
    };
    Ok(states.as_f32()?.chunks(columns * width).zip(batch).map(sentence).collect())
}

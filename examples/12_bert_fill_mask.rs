//! The words that BERT would put in the place of each `[MASK]`.
//!
//! ```text
//! cargo run --release --example bert_fill_mask -- --hub google-bert/bert-base-uncased \
//!     "The miller [MASK] the grain between two [MASK]."
//! ```

#[path = "common/ranking.rs"]
mod ranking;
#[path = "common/source.rs"]
mod source;

use clap::Parser;
use handmill::error::{Error, Result};
use handmill::models::transformers::bert::BERT_MASKED_LM;
use ranking::{best, softmax};
use source::{Source, Text, batch};

/// Prints the most probable words for every hidden one. Without a checkpoint the weights are random and ids stand for bytes.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// How many words for each
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// Texts with [MASK] in the place of words
    #[arg(default_values = ["The miller [MASK] the grain between two [MASK]."])]
    texts: Vec<String>,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 128}"#;

/// The hidden token of the random model.
const MASK: i32 = 256;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&BERT_MASKED_LM, SMALL)?;
    let text = opened.text()?;
    let known = |tokenizer: &handmill::tokenizer::Tokenizer| tokenizer.id("[MASK]");
    let Some(mask) = text.0.as_ref().map_or(Some(MASK), known) else {
        return Err(Error::tensor("the tokenizer", "has no token [MASK]"));
    };
    let longest = opened.context.config.usize("max_position_embeddings", 512);
    let rows = args.texts.iter().map(|t| encode(&text, t, longest)).collect::<Result<Vec<_>>>()?;
    if let Some(row) = rows.iter().position(|ids| !ids.contains(&mask)) {
        let message = format!("has no [MASK] in its first {longest} tokens, expected one or more");
        return Err(Error::tensor(format!("text {}", row + 1), message));
    }
    let inputs = batch(&rows);
    let logits = &opened.context.run(&inputs)?["logits"]; // (B, T, V)
    let (columns, vocab) = (logits.shape()[1], logits.shape()[2]);
    for (b, (ids, given)) in rows.iter().zip(&args.texts).enumerate() {
        println!("{given}");
        for (n, t) in ids.iter().enumerate().filter(|(_, id)| **id == mask).map(|(t, _)| t).enumerate() {
            println!("  [MASK] {}", n + 1);
            let of_token = &logits.as_f32()?[(b * columns + t) * vocab..][..vocab];
            for (id, p) in best(&softmax(of_token), args.top) {
                println!("    {p:.4}  {}", text.token(id as i32));
            }
        }
    }
    Ok(())
}

/// The ids of a text; those of the random model are bytes, and one for each mask.
fn encode(text: &Text, given: &str, longest: usize) -> Result<Vec<i32>> {
    if text.0.is_some() {
        return text.encode_within(given, longest);
    }
    let parts = given.split("[MASK]").map(|part| text.encode(part)).collect::<Result<Vec<_>>>()?;
    let mut ids = parts.join(&MASK);
    text.cut(&mut ids, longest)?;
    Ok(ids)
}

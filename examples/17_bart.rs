//! Summaries by BART: the text is read once, then the summary is written token by token.
//!
//! ```text
//! cargo run --release --example bart -- --hub facebook/bart-large-cnn --file story.txt
//! ```

#[path = "common/document.rs"]
mod document;
#[path = "common/source.rs"]
mod source;
#[path = "common/stream.rs"]
mod stream;

use std::path::PathBuf;

use clap::Parser;
use handmill::error::Result;
use handmill::models::transformers::bart;
use handmill::programs::generate::{Rules, positions};
use handmill::programs::sample::Sampling;
use handmill::programs::seq2seq::{Sizes, Translator};
use source::Source;
use stream::Stream;

/// Summarizes a text, or does what else the BART was trained for. Without a checkpoint the weights are random: ids come
/// out, not text.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// The text; stdin where none is named
    #[arg(long)]
    file: Option<PathBuf>,
    /// Most tokens of the summary; the last of them is the one that the model is told to end with
    #[arg(short, default_value_t = 100)]
    n: usize,
    /// 0 takes the best token every time
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Makes tokens that occurred less likely; 1 changes nothing
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repetition_penalty: f64,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"vocab_size": 512, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128,
    "forced_bos_token_id": 0, "forced_eos_token_id": 2}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&bart::BART, SMALL)?;
    let (context, text) = (&opened.context, opened.text()?);
    let given = document::read(args.file.as_deref(), opened.folder.is_none())?;
    let longest = context.config.usize("max_position_embeddings", 1024);
    let source = text.encode_within(&given, longest)?;
    let mut rules = Rules::greedy(&context.generation, args.n);
    let [start, end] = (bart::GENERATION.tokens)(&context.config);
    if rules.eos.is_empty() {
        rules.eos = vec![end];
    }
    let start = context.generation.id("decoder_start_token_id", i32::MAX as usize).unwrap_or(start);
    context.config.finish()?;
    context.generation.finish()?;
    let &Args { temperature, repetition_penalty, .. } = args;
    rules.sampling = Sampling { temperature, repetition_penalty, seed: args.source.seed, ..Sampling::default() };
    let sizes = Sizes::one(source.len(), positions(1, args.n));
    let mut translator = Translator::open(context, &bart::GENERATION, sizes)?;
    let mut stream = Stream::after(&text, &[]);
    translator.generate(&source, start, &rules, &mut |id| stream.push(id))?;
    stream.finish(opened.engine.name());
    Ok(())
}

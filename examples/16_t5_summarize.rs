//! Summaries by T5: the text is read once, then the summary is written token by token.
//!
//! ```text
//! cargo run --release --example t5_summarize -- --hub google-t5/t5-small --file story.txt
//! ```

#[path = "common/document.rs"]
mod document;
#[path = "common/source.rs"]
mod source;
#[path = "common/stream.rs"]
mod stream;

use std::path::PathBuf;

use clap::Parser;
use handmill::error::{Error, Result};
use handmill::models::transformers::t5;
use handmill::programs::generate::{Rules, positions};
use handmill::programs::sample::Sampling;
use handmill::programs::seq2seq::{Sizes, Translator};
use source::Source;
use stream::Stream;

/// Summarizes a text. Without a checkpoint the weights are random: ids come out, not text.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// The text; stdin where none is named
    #[arg(long)]
    file: Option<PathBuf>,
    /// What stands before the text; the model's own for summaries, else "summarize: "
    #[arg(long)]
    prefix: Option<String>,
    /// Most tokens of the summary
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
const SMALL: &str = r#"{"vocab_size": 512, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&t5::T5, SMALL)?;
    let (context, text) = (&opened.context, opened.text()?);
    let given = document::read(args.file.as_deref(), opened.folder.is_none())?;
    if given.is_empty() {
        return Err(Error::tensor("the text", "is empty, expected some words"));
    }
    let task = context.config.object("task_specific_params").and_then(|tasks| tasks.object("summarization"));
    let own = task.and_then(|task| task.any_text("prefix"));
    let prefix = args.prefix.clone().or(own).unwrap_or_else(|| "summarize: ".into());
    let longest = context.config.usize("n_positions", 512);
    let source = text.encode_within(&format!("{prefix}{given}"), longest)?;
    let mut rules = Rules::greedy(&context.generation, args.n);
    let [start, end] = (t5::GENERATION.tokens)(&context.config);
    if rules.eos.is_empty() {
        rules.eos = vec![end];
    }
    let start = context.generation.id("decoder_start_token_id", i32::MAX as usize).unwrap_or(start);
    context.config.finish()?;
    context.generation.finish()?;
    let &Args { temperature, repetition_penalty, .. } = args;
    rules.sampling = Sampling { temperature, repetition_penalty, seed: args.source.seed, ..Sampling::default() };
    let sizes = Sizes::one(source.len(), positions(1, args.n));
    let mut translator = Translator::open(context, &t5::GENERATION, sizes)?;
    let mut stream = Stream::after(&text, &[]);
    translator.generate(&source, start, &rules, &mut |id| stream.push(id))?;
    stream.finish(opened.engine.name());
    Ok(())
}

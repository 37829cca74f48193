//! Text from a Llama, one token at a time, over caches of keys and values.
//!
//! ```text
//! cargo run --release --example llama -- --hub HuggingFaceTB/SmolLM2-135M --prompt "The mill on the hill" -n 40
//! ```

#[path = "common/source.rs"]
mod source;
#[path = "common/stream.rs"]
mod stream;

use clap::Parser;
use handmill::error::Result;
use handmill::models::transformers::llama;
use handmill::programs::generate::{Cache, Decoder, Rules, positions};
use handmill::programs::sample::Sampling;
use source::Source;
use stream::Stream;

/// Continues a prompt with a Llama. Without a checkpoint the weights are random: ids come out, not text.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// What to continue
    #[arg(long, default_value = "A hand mill is")]
    prompt: String,
    /// Most tokens to generate
    #[arg(short, default_value_t = 32)]
    n: usize,
    /// 0 takes the best token every time
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Draw from the best K tokens only; 0 is all
    #[arg(long, value_name = "K", default_value_t = 50)]
    top_k: usize,
    /// Draw from the fewest tokens that have this probability together
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f64,
    /// Makes tokens that occurred less likely; 1 changes nothing
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repetition_penalty: f64,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"vocab_size": 512, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&llama::LLAMA, SMALL)?;
    let (context, text) = (&opened.context, opened.text()?);
    let longest = context.config.usize("max_position_embeddings", 2048);
    let prompt = text.encode_within(&args.prompt, longest)?;
    let mut rules = Rules::greedy(&context.generation, args.n);
    context.generation.finish()?;
    let &Args { temperature, top_k, top_p, repetition_penalty, .. } = args;
    rules.sampling =
        Sampling { temperature, top_k, top_p, repetition_penalty, seed: args.source.seed, ..Sampling::default() };
    let mut decoder = Decoder::open(context, &llama::CAUSAL, positions(prompt.len(), args.n), Cache::Kept)?;
    print!("{}", args.prompt);
    let mut stream = Stream::after(&text, &prompt);
    decoder.generate(&prompt, &rules, &mut |id| stream.push(id))?;
    stream.finish(opened.engine.name());
    Ok(())
}

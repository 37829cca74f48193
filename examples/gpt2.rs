//! Text from GPT-2, one token at a time: a plan for the prompt, then one plan for every token after it, over
//! caches of keys and values.
//!
//! ```text
//! cargo run --release --example gpt2 -- --hub openai-community/gpt2 --prompt "The mill on the hill" -n 40
//! cargo run --release --example gpt2 -- --random --layers 12 --width 768
//! ```

#[path = "common/source.rs"]
mod source;

use std::io::Write;
use std::time::Instant;

use clap::Parser;
use handmill::Result;
use handmill::models::transformers::gpt2;
use handmill::programs::generate::{Cache, Decoder, Rules, positions};
use handmill::programs::sample::Sampling;
use source::Source;

/// Continues a prompt with GPT-2. Without a checkpoint the weights are random: ids come out, not text.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// Blocks of a random model; GPT-2 has 12
    #[arg(long, default_value_t = 4)]
    layers: usize,
    /// Width of a random model, a multiple of 64; GPT-2 has 768
    #[arg(long, default_value_t = 128)]
    width: usize,
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
}

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (layers, width, heads) = (args.layers, args.width, args.width / 64);
    let small = format!(r#"{{"n_layer": {layers}, "n_embd": {width}, "n_head": {heads}}}"#);
    let opened = args.source.open(&gpt2::GPT2, &small)?;
    let (context, tokenizer) = (&opened.context, opened.text()?.0); // without a tokenizer, ids 0..256 stand for bytes
    let prompt = match &tokenizer {
        Some(tokenizer) => tokenizer.encode(&args.prompt, true)?,
        None => args.prompt.bytes().map(i32::from).collect(),
    };
    let mut rules = Rules::greedy(&context.generation, args.n);
    context.generation.finish()?;
    let &Args { temperature, top_k, top_p, .. } = args;
    rules.sampling = Sampling { temperature, top_k, top_p, seed: args.source.seed, ..Sampling::default() };
    let mut decoder = Decoder::open(context, &gpt2::CAUSAL, positions(prompt.len(), args.n).max(1), Cache::Kept)?;
    print!("{}", args.prompt);
    let (mut fresh, mut shown, mut times) = (vec![], 0, vec![]);
    decoder.generate(&prompt, &rules, &mut |id| {
        fresh.push(id);
        // A character may take several tokens: half of one is not printed yet.
        let text = tokenizer.as_ref().map(|t| t.decode(&fresh, true).unwrap_or_default());
        let text = text.unwrap_or_else(|| fresh.iter().map(|id| format!(" {id}")).collect());
        if let Some(new) = text.get(shown..).filter(|new| !new.ends_with('\u{fffd}')) {
            print!("{new}");
            shown = text.len();
        }
        let _ = std::io::stdout().flush();
        times.push(Instant::now());
    })?;
    println!();
    if let [first, .., last] = times[..] {
        let rate = (times.len() - 1) as f64 / (last - first).as_secs_f64();
        eprintln!("{} tokens, {rate:.1} tokens/s after the first, on {}", times.len(), opened.engine.name());
    }
    Ok(())
}

//! Text from GPT-2, one token at a time: a plan for the prompt, then one plan for every token after it, over
//! caches of keys and values.
//!
//! ```text
//! cargo run --release --example gpt2 -- --hub openai-community/gpt2 --prompt "The mill on the hill" -n 40
//! cargo run --release --example gpt2 -- --random --layers 12 --width 768
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use handmill::Result;
use handmill::config::Config;
use handmill::engine::Engine;
use handmill::folder::hub_cache;
use handmill::models::{Loaded, transformers::gpt2};
use handmill::programs::generate::{Cache, Decoder, Rules, positions};
use handmill::programs::{Context, sample::Sampling};
use handmill::tokenizer::Tokenizer;

/// Continues a prompt with GPT-2. Without a checkpoint the weights are random: ids come out, not text.
#[derive(Parser)]
struct Args {
    /// Model folder: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hub", "random"])]
    model: Option<PathBuf>,
    /// A model of the hub cache
    #[arg(long, value_name = "ORG/NAME", conflicts_with = "random")]
    hub: Option<String>,
    /// Random weights; the default where no checkpoint is named
    #[arg(long)]
    random: bool,
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
    /// Seed of the draws, and of random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (context, tokenizer) = model(args, &engine)?; // without a tokenizer, ids 0..256 stand for bytes
    let prompt = match &tokenizer {
        Some(tokenizer) => tokenizer.encode(&args.prompt, true)?,
        None => args.prompt.bytes().map(i32::from).collect(),
    };
    let mut rules = Rules::greedy(&context.generation, args.n);
    context.generation.finish()?;
    let &Args { temperature, top_k, top_p, seed, .. } = args;
    rules.sampling = Sampling { temperature, top_k, top_p, seed, ..Sampling::default() };
    let mut decoder = Decoder::open(&context, &gpt2::CAUSAL, positions(prompt.len(), args.n).max(1), Cache::Kept)?;
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
        eprintln!("{} tokens, {rate:.1} tokens/s after the first, on {}", times.len(), engine.name());
    }
    Ok(())
}

/// The model and its tokenizer, or random weights without one.
fn model(args: &Args, engine: &Engine) -> Result<(Context, Option<Tokenizer>)> {
    let folder = args.hub.as_deref().map(hub_cache).transpose()?.or(args.model.clone());
    let Some(folder) = folder else {
        let (layers, width, heads) = (args.layers, args.width, args.width / 64);
        eprintln!("random weights, {layers} blocks of width {width}: the ids after the prompt mean nothing");
        let config = format!(r#"{{"n_layer": {layers}, "n_embd": {width}, "n_head": {heads}}}"#);
        let config = Config::parse("--layers, --width", &config)?;
        return Ok((Context::random(&gpt2::GPT2, config, engine, args.seed)?, None));
    };
    let loaded = Loaded::open_as(&folder, &gpt2::GPT2)?;
    let (context, notices) = Context::open(&loaded, engine)?;
    notices.iter().for_each(|text| eprintln!("{text}"));
    Ok((context, Some(loaded.folder.tokenizer()?)))
}

//! Text from GPT-2, one token at a time: a plan for the prompts, then one plan for every token after them, over
//! caches of keys and values.
//!
//! ```text
//! cargo run --release --example gpt2 -- --hub openai-community/gpt2 --prompt "The mill on the hill" -n 40 --stop .
//! cargo run --release --example gpt2 -- --random --layers 12 --width 768
//! ```

#[path = "common/source.rs"]
mod source;

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use handmill::Result;
use handmill::models::transformers::gpt2;
use handmill::programs::generate::{Cache, Decoder, Rows, Rules, positions};
use handmill::programs::sample::Sampling;
use handmill::tokenizer::{StopStrings, TextStream};
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
    /// What to continue; several are continued side by side
    #[arg(long, default_value = "A hand mill is")]
    prompt: Vec<String>,
    /// Most tokens to generate
    #[arg(short, default_value_t = 32)]
    n: usize,
    /// End before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Search for the most probable text along so many beginnings; nothing is drawn
    #[arg(long, default_value_t = 1)]
    beams: usize,
    /// 0 takes the best token every time
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Draw from the best K tokens only; 0 is all
    #[arg(long, value_name = "K", default_value_t = 50)]
    top_k: usize,
    /// Draw from the fewest tokens that have this probability together
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f64,
    /// Draw only from tokens that have P times the probability of the best one
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    min_p: f64,
    /// Makes tokens that occurred less likely; 1 changes nothing
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repetition_penalty: f64,
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
    let (context, text) = (&opened.context, opened.text()?); // without a tokenizer, ids 0..256 stand for bytes
    let prompts = args.prompt.iter().map(|prompt| text.encode(prompt)).collect::<Result<Vec<_>>>()?;
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let mut rules = Rules::greedy(&context.generation, args.n);
    context.generation.finish()?;
    let &Args { top_k, top_p, min_p, repetition_penalty, source: Source { seed, .. }, .. } = args;
    let temperature = if args.beams > 1 { 0.0 } else { args.temperature };
    rules.sampling = Sampling { temperature, top_k, top_p, min_p, repetition_penalty, seed, ..Sampling::default() };
    rules.beams.num_beams = args.beams;
    let tokenizer = text.0.map(Arc::new);
    rules.stop = tokenizer.clone().map(|tokenizer| Arc::new(StopStrings::new(tokenizer, args.stop.clone())));
    let (rows, capacity) = (Rows::of(prompts.len(), &rules), positions(longest, args.n).max(1));
    let mut decoder = Decoder::open_rows(context, &gpt2::CAUSAL, rows, capacity, Cache::Kept)?;
    let stream = |prompt: &Vec<i32>| TextStream::until(tokenizer.as_deref(), &args.stop).after(prompt);
    let mut streams: Vec<_> = prompts.iter().map(stream).collect();
    let (mut texts, mut times) = (args.prompt.clone(), vec![]);
    let live = prompts.len() == 1; // several texts are printed in the end
    let mut add = |row: usize, text: String| {
        print!("{}", if live { &text } else { "" });
        let _ = std::io::stdout().flush();
        texts[row] += &text;
    };
    print!("{}", if live { &args.prompt[0] } else { "" });
    decoder.generate_rows(&prompts, &rules, &mut |row, id| {
        add(row, streams[row].push(id).unwrap_or_default());
        times.push(Instant::now());
    })?;
    streams.iter_mut().enumerate().try_for_each(|(row, stream)| stream.finish().map(|rest| add(row, rest)))?;
    println!("{}", if live { String::new() } else { texts.join("\n\n") });
    if let ([first, .., last], 1) = (&times[..], args.beams) {
        let rate = (times.len() - 1) as f64 / (*last - *first).as_secs_f64();
        eprintln!("{} tokens, {rate:.1} tokens/s after the first, on {}", times.len(), opened.engine.name());
    }
    Ok(())
}

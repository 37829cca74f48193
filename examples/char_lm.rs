//! A model of characters learns to write, by truncated back-propagation through time over streams of text (a GPT: over
//! windows), and shows on the way what it writes.
//!
//! ```text
//! cargo run --release --example char_lm
//! cargo run --release --example char_lm -- --model lstm --text FILE --hidden-size 256 --time 64 --steps 20000
//! cargo run --release --example char_lm -- --model gpt --corpus dates
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use handmill::config::Config;
use handmill::engine::Engine;
use handmill::file::write_atomic;
use handmill::json::Value;
use handmill::models::{named, transformers::gpt2};
use handmill::programs::characters::Stepper;
use handmill::programs::generate::{Cache, Decoder, Rules};
use handmill::programs::{Context, sample::Sampling};
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::{Vocabulary, permutation};
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::{Error, Result};
use serde_json::json;

/// Trains a model of characters and shows what it writes.
#[derive(Parser)]
pub struct Args {
    /// Learn this text; UTF-8
    #[arg(long, value_name = "FILE", conflicts_with = "corpus")]
    pub text: Option<PathBuf>,
    /// Learn lines that are made up: 12+34=46, or 2026-11-24 -> Tue 24 Nov
    #[arg(long, value_enum, default_value = "sums")]
    pub corpus: Corpus,
    /// What learns
    #[arg(long, value_enum, default_value = "gru")]
    pub model: Kind,
    /// Updates of the weights; 5000, or 1000 of a GPT
    #[arg(long)]
    pub steps: Option<u64>,
    /// Streams, or windows, of a step
    #[arg(long, default_value_t = 16)]
    pub batch_size: usize,
    /// Characters of a stream, or a window, in a step; 16, or 32 of a GPT
    #[arg(long)]
    pub time: Option<usize>,
    /// Size of the state; width of a GPT, a multiple of 4
    #[arg(long, default_value_t = 64)]
    pub hidden_size: usize,
    /// Layers; 1, or 2 of a GPT
    #[arg(long)]
    pub layers: Option<usize>,
    /// The learning rate at its highest; 0.01, or 0.003 of a GPT
    #[arg(long)]
    pub lr: Option<f64>,
    /// Seed of weights, lines and samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Of samples; 0 takes the best character every time
    #[arg(long, default_value_t = 0.6)]
    pub temperature: f64,
    /// Lines that are not in the training text; they are completed in the end
    #[arg(long, default_value_t = 200)]
    pub held_out: usize,
    /// Steps between samples
    #[arg(long, default_value_t = 500)]
    pub every: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The folder of results: config.json, model.safetensors, vocab.json, loss.svg
    #[arg(long, value_name = "DIR", default_value = "char_lm")]
    pub out: PathBuf,
}

/// Lines that are made up.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Corpus {
    /// Two numbers below 100, and their sum.
    Sums,
    /// A day from 2000 to 2039, and how people write it.
    Dates,
}

/// What learns.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Kind {
    /// Elman's network.
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// A transformer.
    Gpt,
}

/// Characters of a sample.
const SAMPLE: usize = 32;
/// How often the training text has every other line.
const TIMES: u64 = 8;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

/// Trains, and returns how many of the lines held out are completed as they were.
pub fn run(args: &Args) -> Result<usize> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let (path, held_out) = text(args)?;
    let settings = Settings::read(&Config::parse("char_lm", &settings(args, &path).to_string())?, Path::new(""))?;
    let Some(source) = &settings.data else { return Err(Error::config("char_lm", "names no data")) };
    let data = source.open(args.seed)?;
    let vocabulary = data.vocabulary.clone().unwrap_or_else(|| Vocabulary::of(""));
    let config = config(args, vocabulary.size()).to_string();
    let model = named(if args.model == Kind::Gpt { "GPT2LMHeadModel" } else { "CharLanguageModel" })?;
    let task = Task { model, config: Config::parse("config.json", &config)?, settings, keys: None };
    let options = Options {
        how: How::default(),
        out: args.out.clone(),
        resume: None,
        gradients: None,
        config_fingerprint: fingerprint(config.as_bytes()),
        stop: None,
        verbose: false,
    };
    let mut run = Run::new(task, data, None, &engine, options)?;
    let dispatches: usize = run.trainer().totals().iter().map(|t| t.dispatches).sum();
    println!("{} different characters; a step is {dispatches} dispatches on {}", vocabulary.size(), engine.name());
    let context = run.trainer().context();
    let mut writer = Writer::open(&context, args, vocabulary)?;
    let (mut began, mut spent) = (Instant::now(), Duration::ZERO);
    run.finish_with(|trainer, recorded| {
        spent += began.elapsed();
        if trainer.done().is_multiple_of(args.every) || trainer.done() == args.steps() {
            let values: String = recorded.iter().map(|(name, value)| format!("  {name} {value:.4}")).collect();
            let rate = trainer.done() as f64 / spent.as_secs_f64();
            println!("step {}/{}{values}  {rate:.1} steps/s", trainer.done(), args.steps());
            let sampling = Sampling { temperature: args.temperature, seed: trainer.done(), ..Sampling::default() };
            let written = writer.write(&writer.begin(), SAMPLE, sampling, None)?;
            println!("    {}", written.trim().replace('\n', "\n    "));
        }
        began = Instant::now();
        Ok(())
    })?;
    write_atomic(&args.out.join("config.json"), |out| writeln!(out, "{config}"))?;
    let mut right = 0;
    for (question, answer) in &held_out {
        let written = writer.write(&format!("\n{question}"), answer.len() + 4, Sampling::default(), Some("\n"))?;
        right += usize::from(written == *answer);
    }
    if !held_out.is_empty() {
        let share = 100.0 * right as f64 / held_out.len() as f64;
        println!("{right} of {} held-out lines are completed exactly, {share:.1} %", held_out.len());
    }
    println!("results in {}", args.out.display());
    Ok(right)
}

/// The model between steps, a character at a time.
enum Next<'c> {
    Recurrent(Box<Stepper<'c>>),
    Gpt(Box<Decoder<'c>>),
}

struct Writer<'c> {
    next: Next<'c>,
    vocabulary: Vocabulary,
}

impl<'c> Writer<'c> {
    fn open(context: &'c Context, args: &Args, vocabulary: Vocabulary) -> Result<Writer<'c>> {
        let next = match args.model {
            Kind::Gpt => Next::Gpt(Box::new(Decoder::open(context, &gpt2::CAUSAL, args.positions(), Cache::Kept)?)),
            _ => Next::Recurrent(Box::new(Stepper::open(context)?)),
        };
        Ok(Writer { next, vocabulary })
    }

    /// What a sample begins with: the end of a line, where the text has lines.
    fn begin(&self) -> String {
        let lines = self.vocabulary.encode(Path::new(""), "\n").is_ok();
        if lines { "\n".into() } else { self.vocabulary.decode(&[0]) }
    }

    /// What follows `start`: `most` characters, or up to `end`.
    fn write(&mut self, start: &str, most: usize, sampling: Sampling, end: Option<&str>) -> Result<String> {
        let place = Path::new("the beginning of a sample");
        let start = self.vocabulary.encode(place, start)?;
        let eos = end.map_or(Ok(vec![]), |end| self.vocabulary.encode(place, end))?;
        let rules = Rules { max_new_tokens: most, eos, sampling, ..Rules::default() };
        let ids = match &mut self.next {
            Next::Recurrent(stepper) => stepper.generate(&start, &rules, &mut |_| {})?,
            Next::Gpt(decoder) => decoder.generate(&start, &rules, &mut |_| {})?,
        };
        Ok(self.vocabulary.decode(&ids[start.len()..]))
    }
}

impl Args {
    /// A value that was not given: one for recurrent models, one for a GPT.
    fn or<T>(&self, given: Option<T>, recurrent: T, gpt: T) -> T {
        given.unwrap_or(if self.model == Kind::Gpt { gpt } else { recurrent })
    }

    fn steps(&self) -> u64 {
        self.or(self.steps, 5000, 1000)
    }

    fn time(&self) -> usize {
        self.or(self.time, 16, 32)
    }

    fn layers(&self) -> usize {
        self.or(self.layers, 1, 2)
    }

    /// Positions of a GPT: those of a step, and enough for a sample and for every line.
    fn positions(&self) -> usize {
        self.time().max(SAMPLE)
    }
}

/// `config.json`
fn config(args: &Args, vocab_size: usize) -> Value {
    let cell = match args.model {
        Kind::Rnn => "rnn",
        Kind::Lstm => "lstm",
        Kind::Gru => "gru",
        Kind::Gpt => {
            return json!({
                "architectures": ["GPT2LMHeadModel"], "vocab_size": vocab_size, "n_positions": args.positions(),
                "n_embd": args.hidden_size, "n_layer": args.layers(), "n_head": 4,
            });
        }
    };
    json!({
        "architectures": ["CharLanguageModel"], "vocab_size": vocab_size, "cell": cell, "input_encoding": "one_hot",
        "hidden_size": args.hidden_size, "num_layers": args.layers(),
    })
}

/// `train.json`
fn settings(args: &Args, path: &Path) -> Value {
    let gpt = args.model == Kind::Gpt;
    let mut settings = json!({
        "loss": if gpt { "causal_lm" } else { "cross_entropy" },
        "optimizer": {"name": "adam", "lr": args.or(args.lr, 0.01, 0.003)},
        "schedule": {"name": "one_cycle", "total_steps": args.steps(), "pct_start": 0.1},
        "clip_grad_norm": 1.0, "steps": args.steps(), "seed": args.seed,
        "data": {"reader": "text", "path": path, "time": args.time(), "batch_size": args.batch_size, "shuffle": gpt},
    });
    if gpt {
        settings["data"]["shift"] = false.into();
        settings["data"]["names"] = json!({"target": "labels"});
    } else {
        settings["bptt"] = json!({"reset_every": 64});
    }
    if args.text.is_some() {
        settings["data"]["validation"] = 0.05.into();
        settings["validate_every"] = args.every.into();
    }
    settings
}

/// The file of the training text, and lines that are not in it as questions and answers.
fn text(args: &Args) -> Result<(PathBuf, Vec<(String, String)>)> {
    if let Some(path) = &args.text {
        return Ok((path.clone(), vec![]));
    }
    let lines = if args.corpus == Corpus::Sums { sums() } else { dates() };
    let order = |n, epoch| permutation(args.seed, epoch, n).into_iter().map(|i| i as usize);
    let (held_out, rest): (Vec<_>, Vec<_>) = order(lines.len(), 0).enumerate().partition(|(at, _)| *at < args.held_out);
    let path = args.out.join("corpus.txt");
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, format!("cannot be made: {e}")))?;
    write_atomic(&path, |out| {
        let all = (1..=TIMES).flat_map(|epoch| order(rest.len(), epoch));
        all.map(|at| &lines[rest[at].1]).try_for_each(|(question, answer)| write!(out, "{question}{answer}"))
    })?;
    Ok((path, held_out.into_iter().map(|(_, at)| lines[at].clone()).collect()))
}

/// All sums of two numbers below 100.
fn sums() -> Vec<(String, String)> {
    let line = |(a, b)| (format!("{a}+{b}="), format!("{}\n", a + b));
    (0..100).flat_map(|a| (0..100).map(move |b| (a, b))).map(line).collect()
}

/// All days of 40 years; the first is a Saturday.
fn dates() -> Vec<(String, String)> {
    const DAYS: [&str; 7] = ["Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let length = |year: usize, month: usize| match month {
        1 => 28 + usize::from(year.is_multiple_of(4)), // 2000 is a leap year, and no other of these is a century
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    let months = (2000..2040).flat_map(|year| (0..12).map(move |month| (year, month)));
    let days = months.flat_map(|(year, month)| (1..=length(year, month)).map(move |day| (year, month, day)));
    let line = |(n, (year, month, day)): (usize, (usize, usize, usize))| {
        let question = format!("{year}-{:02}-{day:02} -> ", month + 1);
        (question, format!("{} {day} {}\n", DAYS[n % 7], MONTHS[month]))
    };
    days.enumerate().map(line).collect()
}

//! Four kinds of recurrent networks on four small tasks: a wave from its name, the digit that comes most often, running
//! sums, and digits in reverse.
//!
//! ```text
//! cargo run --release --example sequence_tasks
//! cargo run --release --example sequence_tasks -- --task many-to-many --cell rnn,lstm,gru
//! ```

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use handmill::Result;
use handmill::engine::{Engine, Tensors};
use handmill::models::Loaded;
use handmill::programs::Context;

#[path = "sequence_tasks/data.rs"]
mod data;
#[path = "common/learn.rs"]
mod learn;
#[path = "sequence_tasks/recipe.rs"]
mod recipe;
#[path = "sequence_tasks/sequences.rs"]
pub mod sequences;
#[path = "sequence_tasks/tasks.rs"]
pub mod tasks;
#[path = "sequence_tasks/verdict.rs"]
pub mod verdict;
#[path = "common/words.rs"]
pub mod words;

use learn::{Lesson, learn};
use tasks::{Cell, Task};
use verdict::verdict;

/// Trains recurrent networks on sequences that are made up, and judges them by sequences they have not seen.
#[derive(Parser)]
pub struct Args {
    /// One task; all of them without it
    #[arg(long, value_enum)]
    task: Option<Task>,
    /// Cells, of which each is trained; Seq2Seq is of GRUs
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gru")]
    cell: Vec<Cell>,
    /// Updates of the weights
    #[arg(long, default_value_t = 600)]
    steps: u32,
    /// Sequences of a step
    #[arg(long, default_value_t = 64)]
    batch_size: u16,
    /// Size of the state
    #[arg(long, default_value_t = 64)]
    hidden_size: usize,
    /// The learning rate at its highest
    #[arg(long, default_value_t = 0.005)]
    lr: f64,
    /// Of weights and sequences
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results: a model folder in it for every task and cell
    #[arg(long, value_name = "DIR", default_value = "sequence_tasks")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("sequence_tasks: {e}");
        std::process::exit(1);
    }
}

/// Returns every task's share of right answers to what was held out, and that of a guess.
pub fn run(args: &Args) -> Result<Vec<[f64; 2]>> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let tasks = args.task.map_or(Task::value_variants().to_vec(), |task| vec![task]);
    let pairs = tasks.iter().flat_map(|&task| task.cells(&args.cell).into_iter().map(move |cell| (task, cell)));
    let (mut lines, mut shares) = (vec![], vec![]);
    for (task, cell) in pairs {
        let start = Instant::now();
        let name = format!("{}-{}", task.name(), cell.name());
        let out = args.out.join(&name);
        println!("{name}: {}", task.title());
        let [rows, held_out] = task.data(args.seed)?;
        let judged = held_out.tensors().clone();
        let config = task.config(cell, args.hidden_size);
        let train = task.settings(args.steps, args.lr, args.seed);
        let batch_size = args.batch_size.into();
        learn(Lesson { config, train, rows, held_out, batch_size }, &engine, &out)?;

        let (context, _) = Context::open(&Loaded::open(&out)?, &engine)?;
        let inputs: Tensors = task.inputs().iter().map(|&name| (name.to_owned(), judged[name].clone())).collect();
        let (share, examples) = verdict(task, &judged, &context.run(&inputs)?)?;
        examples.iter().for_each(|text| println!("    {text}"));
        let (found, chance) = (100.0 * share, 100.0 * task.chance());
        let seconds = start.elapsed().as_secs_f64();
        lines.push(format!("{name:<20} {found:6.1} % right, {chance:4.1} % by chance, {seconds:.0} s"));
        shares.push([share, task.chance()]);
    }
    println!("of what was held out:");
    lines.iter().for_each(|line| println!("{line}"));
    println!("models and loss curves are in {}", args.out.display());
    Ok(shares)
}

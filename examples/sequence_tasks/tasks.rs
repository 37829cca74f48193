//! The tasks: their models, their data, and how they are learnt.

use clap::ValueEnum;
use handmill::json::Value;
use handmill::train::data::{Dataset, permutation};
use handmill::{HostTensor, Result};
use serde_json::json;

use super::sequences::{STEPS, WAVES, Wave, most_often, one_hot, sequences};
use super::words::{END, PAD, SPECIAL, START, padded, teaching};

/// Sequences that are trained on, and sequences that are not.
const TRAINING: usize = 4000;
const HELD_OUT: usize = 400;
/// Waves that are not trained on, of all.
const WAVES_HELD_OUT: usize = 200;

/// Digits of which the most frequent is asked for.
pub const COUNTED: usize = 4;
/// Digits of the sums, which are taken modulo this.
pub const ADDED: usize = 3;
/// Digits that are reversed.
pub const REVERSED: usize = 10;
/// Steps of sequences: the longest of the first, all of the others.
const LONGEST: usize = 12;
const SUMS: usize = 16;
const REVERSE: usize = 5;

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// A wave from its name.
    OneToMany,
    /// The digit that comes most often.
    ManyToOne,
    /// The sum so far, modulo 3.
    ManyToMany,
    /// Digits in reverse.
    Seq2seq,
}

/// What a recurrent network is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cell {
    /// Elman's cell.
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Cell {
    /// As `config.json` has it.
    pub fn name(self) -> String {
        name(self)
    }
}

impl Task {
    /// As the command line has it.
    pub fn name(self) -> String {
        name(self)
    }

    /// What is asked and answered.
    pub fn title(self) -> &'static str {
        match self {
            Task::OneToMany => "a wave from its name, its height and its period",
            Task::ManyToOne => "the digit that comes most often in 5 to 12",
            Task::ManyToMany => "at every digit the sum so far, modulo 3",
            Task::Seq2seq => "five digits in reverse",
        }
    }

    /// The cells of its model: Seq2Seq has no choice.
    pub fn cells(self, asked: &[Cell]) -> Vec<Cell> {
        if self == Task::Seq2seq { vec![Cell::Gru] } else { asked.to_vec() }
    }

    /// What of a guess is right.
    pub fn chance(self) -> f64 {
        match self {
            Task::OneToMany => 1.0 / WAVES.len() as f64,
            Task::ManyToOne => 1.0 / COUNTED as f64,
            Task::ManyToMany => 1.0 / ADDED as f64,
            Task::Seq2seq => (REVERSED as f64).powi(-(REVERSE as i32)),
        }
    }

    /// The tensors that the model is asked with.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Task::OneToMany | Task::ManyToMany => &["input"],
            Task::ManyToOne => &["input", "lengths"],
            Task::Seq2seq => &["input_ids"],
        }
    }

    /// `config.json`
    pub fn config(self, cell: Cell, hidden_size: usize) -> Value {
        let cell = cell.name();
        match self {
            Task::OneToMany => json!({
                "architectures": ["OneToMany"], "in_features": WAVES.len() + 2, "cell": cell,
                "hidden_size": hidden_size, "out_features": 1, "num_steps": STEPS,
            }),
            Task::ManyToOne => json!({
                "architectures": ["ManyToOne"], "input_size": COUNTED, "cell": cell, "hidden_size": hidden_size,
                "num_classes": COUNTED,
            }),
            Task::ManyToMany => json!({
                "architectures": ["ManyToMany"], "input_size": ADDED, "cell": cell, "hidden_size": hidden_size,
                "num_classes": ADDED,
            }),
            Task::Seq2seq => json!({
                "architectures": ["Seq2Seq"], "src_vocab_size": SPECIAL.len() + REVERSED,
                "tgt_vocab_size": SPECIAL.len() + REVERSED, "embedding_dim": 16, "hidden_size": 2 * hidden_size,
                "pad_token_id": PAD, "start_token_id": START, "end_token_id": END, "max_length": REVERSE + 1,
            }),
        }
    }

    /// `train.json`
    pub fn settings(self, steps: u32, lr: f64, seed: u32) -> Value {
        json!({
            "loss": if self == Task::OneToMany { "mse" } else { "cross_entropy" }, "steps": steps, "seed": seed,
            "optimizer": {"name": "adam", "lr": lr}, "clip_grad_norm": 1.0, "validate_every": 300,
            "schedule": {"name": "one_cycle", "total_steps": steps, "pct_start": 0.1},
        })
    }

    /// What is trained on, and what is held out: no sequence is in both.
    pub fn data(self, seed: u32) -> Result<[Dataset; 2]> {
        let all = TRAINING + HELD_OUT;
        let named = |tensors: Vec<(&str, HostTensor)>| {
            Dataset::new(tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect())
        };
        let rows = match self {
            Task::OneToMany => {
                let waves = Wave::all();
                let n = waves.len();
                let order = permutation(seed.into(), 0, n);
                let of = |f: fn(Wave) -> Vec<f32>| order.iter().flat_map(|&i| f(waves[i as usize])).collect();
                named(vec![
                    ("input", HostTensor::f32(&[n, WAVES.len() + 2], of(Wave::told))),
                    ("target", HostTensor::f32(&[n, STEPS, 1], of(Wave::values))),
                ])
            }
            Task::ManyToOne => {
                let rows = sequences(seed, all, COUNTED, 5..=LONGEST, |row| most_often(row, COUNTED).is_some());
                let lengths = rows.iter().map(|row| row.len() as i32).collect();
                let best = rows.iter().filter_map(|row| most_often(row, COUNTED)).map(|best| best as i32).collect();
                named(vec![
                    ("input", one_hot(&rows, LONGEST, COUNTED)),
                    ("lengths", HostTensor::i32(&[all], lengths)),
                    ("target", HostTensor::i32(&[all], best)),
                ])
            }
            Task::ManyToMany => {
                let rows = sequences(seed, all, ADDED, SUMS..=SUMS, |_| true);
                let sums = |row: &Vec<usize>| {
                    let mut sum = 0;
                    row.iter().map(|digit| (sum += digit, (sum % ADDED) as i32).1).collect::<Vec<_>>()
                };
                let sums: Vec<_> = rows.iter().map(sums).collect();
                named(vec![("input", one_hot(&rows, SUMS, ADDED)), ("target", padded(&sums, SUMS, PAD))])
            }
            Task::Seq2seq => {
                let rows = sequences(seed, all, REVERSED, REVERSE..=REVERSE, |_| true);
                let ids = |row: &Vec<usize>| row.iter().map(|digit| (SPECIAL.len() + digit) as i32).collect();
                let sources: Vec<Vec<i32>> = rows.iter().map(ids).collect();
                let targets: Vec<Vec<i32>> = sources.iter().map(|row| row.iter().rev().copied().collect()).collect();
                let [read, written] = teaching(&targets);
                let sources = padded(&sources, REVERSE, PAD);
                named(vec![("input_ids", sources), ("decoder_input_ids", read), ("target", written)])
            }
        }?;
        let held_out = if self == Task::OneToMany { WAVES_HELD_OUT } else { HELD_OUT };
        let (rows, held_out) = rows.split(&(0..held_out).collect::<Vec<_>>())?;
        Ok([rows, held_out])
    }
}
